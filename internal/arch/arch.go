// Package arch holds the rules of the house as data, and the tests that enforce them: who may import
// whom, what the pure core must not touch, which module serves whom, and which words are not used.
// Every rule carries its reason, and every refusal prints it. ARCHITECTURE.md explains the drawing
// behind the table. Nothing imports this package.
package arch

// Rule says which packages of this module a package may import, and why no others. Paths are below
// internal/. Test files may import more: a test may put two sides together that never meet in the
// program.
type Rule struct {
	Package string
	May     []string
	Why     string
}

// Rules has one row for every package. A package without a row is refused, and so is a row without
// a package.
var Rules = []Rule{
	// Words.
	{
		Package: "sf", May: nil,
		Why: "the platform's words are shared by everyone, client and emulator alike, so they rest on nothing",
	},
	{
		Package: "problem", May: nil,
		Why: "kinds of error are shared by everyone outside the core, so they rest on nothing",
	},

	// The pure core.
	{
		Package: "state", May: []string{"sf"},
		Why: "states and deltas are values: they know the platform's words and nothing that acts",
	},
	{
		Package: "plan", May: []string{"state", "sf"},
		Why: "a plan is decided from values alone, so that a table of tests covers it",
	},
	{
		Package: "policy", May: nil,
		Why: "what is kept is decided from values alone, so that a table of tests covers it",
	},
	{
		Package: "soql", May: []string{"sf"},
		Why: "a grammar needs no org, no repository and no clock",
	},
	{
		Package: "component", May: []string{"sf"},
		Why: "what components are made of, and whether two are the same, is decided from bytes alone, whoever brings them",
	},

	{
		Package: "mask", May: []string{"sf"},
		Why: "a pseudonym follows from a value, a rule and a key alone, so that a law can be a test",
	},
	{
		Package: "rollback", May: []string{"plan", "component", "sf"},
		Why: "how a deployment is taken back is decided from three states alone, so that a table of tests covers it",
	},
	{
		Package: "automation", May: []string{"component", "sf"},
		Why: "what acts on records, and the files that switch it, is decided from the files alone",
	},

	// The repository.
	{
		Package: "blob", May: []string{"problem"},
		Why: "a bucket stores bytes under names and knows nothing of their meaning",
	},
	{
		Package: "blob/file", May: []string{"blob", "problem"},
		Why: "an adapter knows its contract and no other adapter",
	},
	{
		Package: "blob/s3", May: []string{"blob", "problem"},
		Why: "an adapter knows its contract and no other adapter",
	},
	{
		Package: "blob/blobtest", May: []string{"blob", "blob/file", "problem"},
		Why: "the contract of buckets is tested without knowing any one of them; the disk that crashes stands below blob/file",
	},
	{
		Package: "seal", May: []string{"problem"},
		Why: "encryption can be read and judged on its own",
	},
	{
		Package: "seal/transit", May: []string{"problem"},
		Why: "a key service is spoken to over HTTP and knows nothing of what it wraps",
	},
	{
		Package: "repo", May: []string{"blob", "seal", "problem"},
		Why: "the repository knows no Salesforce: it can be specified, fuzzed and read on its own",
	},
	{
		Package: "snapshot", May: []string{"repo", "seal", "state", "sf", "problem"},
		Why: "snapshots are states in a repository, whose objects have the ids of seal: they see neither buckets, nor orgs, nor plans",
	},

	// The org.
	{
		Package: "salesforce", May: []string{"salesforce/csv", "sf", "problem"},
		Why: "the client shares only words with the emulator: shared code would share mistakes",
	},
	{
		Package: "salesforce/csv", May: nil,
		Why: "a codec of bytes can be specified and fuzzed on its own",
	},
	{
		Package: "emulator", May: []string{
			"emulator/org", "emulator/rest", "emulator/bulk", "emulator/soap", "emulator/metadata", "emulator/wire",
			"emulator/hard", "emulator/image",
			"soql", "sf", "problem",
		},
		Why: "the emulator shares only words with the client: shared code would share mistakes",
	},
	{
		Package: "emulator/org", May: []string{"emulator/formula", "emulator/image", "soql", "sf", "problem"},
		Why: "the engine of the emulator knows no HTTP and no client",
	},
	{
		Package: "emulator/formula", May: nil,
		Why: "a language is read, checked and evaluated without knowing what it speaks of, so it can be fuzzed on its own",
	},
	{
		Package: "emulator/image", May: nil,
		Why: "copies and writes any value by its types, and knows none of them",
	},
	{
		Package: "emulator/hard", May: nil,
		Why: "what goes wrong is drawn from a seed and decided without knowing what it is done to",
	},
	{
		Package: "emulator/metadata", May: []string{"emulator/org", "emulator/wire", "soql", "sf", "problem"},
		Why: "deployments act on the engine and on nothing else",
	},
	{
		Package: "emulator/wire", May: []string{"emulator/org", "soql", "sf"},
		Why: "what the surfaces have in common is how an org says things, and nothing of what it does",
	},
	{
		Package: "emulator/rest", May: []string{"emulator/org", "emulator/wire", "soql", "sf"},
		Why: "a surface speaks for the engine and knows no other surface",
	},
	{
		Package: "emulator/bulk", May: []string{"emulator/org", "emulator/wire", "emulator/hard", "soql", "sf"},
		Why: "a surface speaks for the engine and knows no other surface",
	},
	{
		Package: "emulator/soap", May: []string{"emulator/org", "emulator/wire", "emulator/metadata", "soql", "sf"},
		Why: "a surface speaks for the engine and knows no other surface",
	},

	// The two doors.
	{
		Package: "capture", May: []string{"component", "snapshot", "state", "sf", "problem"},
		Why: "capture declares the Source it reads: the client is handed in, so the emulator or a recording fits, too",
	},
	{
		Package: "apply", May: []string{"plan", "automation", "rollback", "component", "snapshot", "state", "sf", "problem"},
		Why: "apply declares the Target it writes: the client is handed in, and every write is behind a journal",
	},

	{
		Package: "sqlite", May: []string{"sf"},
		Why: "a form of files: it knows records and no repository",
	},
	{
		Package: "parquet", May: []string{"sf"},
		Why: "a form of file is written from records alone, whoever brings them",
	},

	// The verbs.
	{
		Package: "run", May: []string{"automation", "component", "rollback", "mask", "parquet", "sqlite", "capture", "apply", "snapshot", "plan", "state", "soql", "sf", "problem", "policy", "repo", "seal"},
		Why: "the verbs compose the two doors; which org and which storage is decided by the command line",
	},
	{
		Package: "project", May: []string{"component", "sf", "problem"},
		Why: "what developers keep is read from folders, zips and Git alone, and handed to the verbs as files",
	},
	{
		Package: "demo", May: []string{"run", "capture", "apply", "snapshot", "plan", "state", "sf", "problem"},
		Why: "the demo is an operator with a generated org: it drives the same verbs and gets the same doors handed in",
	},

	// The surface.
	{
		Package: "config", May: []string{"problem"},
		Why: "settings are read, not acted upon",
	},
	{
		Package: "cli", May: []string{
			"run", "demo", "project", "salesforce/csv", "capture", "apply", "snapshot", "plan", "state", "mask", "sf", "problem", "config",
			"salesforce", "emulator", "emulator/org", "repo", "seal", "blob", "blob/file", "blob/s3",
		},
		Why: "the command line is the only place that wires packages together; nothing imports it but main",
	},

	// Tests only.
	{
		Package: "testkit", May: []string{"sf", "problem"},
		Why: "data sets and faults for tests go through the public APIs of an org, never through a side door",
	},
	{
		Package: "salesforce/orgtest", May: nil,
		Why: "the rules of the platform are asked over plain HTTP: client and emulator are what they judge",
	},
	{
		Package: "testkit/wsdl", May: []string{"testkit", "problem"},
		Why: "replies are checked against what Salesforce published, and not against what the emulator believes",
	},
	{
		Package: "arch", May: nil,
		Why: "the rules do not depend on what they rule",
	},
}

// TestOnly are the packages that only tests and one another may import.
var TestOnly = []string{"salesforce/orgtest", "testkit", "testkit/wsdl", "blob/blobtest", "arch"}

// Core are the packages that decide without acting: no clock, no files, no network, no chance, no
// goroutines. What they return depends on what they are given and on nothing else.
var Core = []string{"sf", "state", "plan", "soql", "component", "automation", "mask"}

// Impure are the packages that the core does not import, each with what to do instead.
var Impure = map[string]string{
	"os":            "take the bytes or an io.Reader from the caller",
	"os/exec":       "the core starts nothing",
	"os/signal":     "stopping is the caller's",
	"io/fs":         "take the bytes or an io.Reader from the caller",
	"path/filepath": "the core knows no files",
	"net":           "the core talks to nobody; return what should be sent",
	"net/http":      "the core talks to nobody; return what should be sent",
	"database/sql":  "the core remembers nothing; return what should be kept",
	"math/rand":     "take the numbers from the caller",
	"math/rand/v2":  "take the numbers from the caller",
	"crypto/rand":   "take the bytes from the caller",
	"log":           "return an error or a value",
	"log/slog":      "return an error or a value",
	"syscall":       "the core knows no operating system",
	"runtime":       "the core knows no scheduler",
	"context":       "the core does not wait, so it need not be told to stop",
	"sync/atomic":   "the core is called by one goroutine at a time",
	"testing":       "test code belongs in test files",
}

// ImpureCalls are the functions of package time that the core does not call.
var ImpureCalls = map[string]string{
	"Now": "take the time as an argument", "Since": "take the time as an argument",
	"Until": "take the time as an argument", "Sleep": "the core does not wait",
	"After": "the core does not wait", "AfterFunc": "the core does not wait",
	"NewTimer": "the core does not wait", "NewTicker": "the core does not wait",
	"Tick": "the core does not wait",
}

// Module says which packages use a module from outside the standard library, and why it is worth
// having. docs/adr/0014-dependency-policy.md is the policy. A module without a row is refused.
type Module struct {
	Path string
	Used []string // packages below internal/; empty: tests only
	Why  string
}

// Modules has one row for every module that the code imports.
var Modules = []Module{
	{"filippo.io/age", []string{"seal", "cli", "demo"}, "recipients and key files that people can use with other tools"},
	{"github.com/klauspost/compress", []string{"snapshot", "repo"}, "zstd: segments a quarter smaller than deflate, several times faster"},
	{"github.com/minio/minio-go/v7", []string{"blob/s3"}, "S3 and its kin: signatures, conditional writes, Object Lock; the lightest client that has them"},
	{"modernc.org/sqlite", []string{"sqlite"}, "the one form that every tool opens, written without C"},
	{"github.com/parquet-go/parquet-go", []string{"parquet"}, "the form that warehouses read, with typed columns"},
	{"golang.org/x/mod", []string{"snapshot"}, "signed notes: statements that tools of others can check"},
	{"golang.org/x/sync", []string{"capture", "snapshot", "repo", "apply", "run", "salesforce", "emulator"}, "errgroup: a goroutine ends before its function returns"},
	{"github.com/spf13/cobra", []string{"cli"}, "commands, flags and shell completion"},
	{"github.com/spf13/pflag", []string{"cli"}, "the flags of cobra, for the generated reference"},
	{"charm.land/lipgloss/v2", []string{"cli"}, "tables that know how wide a character is"},
	{"github.com/schollz/progressbar/v3", []string{"cli"}, "progress on a terminal"},
	{"znkr.io/diff", []string{"cli"}, "lines of two texts side by side, fast on files of tens of thousands of lines"},
	{"golang.org/x/term", []string{"cli"}, "whether a stream is a terminal"},
	{"github.com/goccy/go-yaml", []string{"config", "testkit"}, "strict YAML with line and column in its errors"},
	{"github.com/brianvoe/gofakeit/v7", []string{"demo"}, "names of people, companies and things for the generated org"},
	{"github.com/google/go-cmp", nil, "differences in failing tests"},
	{"pgregory.net/rapid", nil, "laws on generated states"},
	{"github.com/rogpeppe/go-internal", nil, "stories: scripts that run the real program"},
}

// Refused are names that say nothing, which neither a package nor a file may have.
var Refused = []string{
	"util", "utils", "common", "helper", "helpers", "manager", "managers", "service", "services",
	"model", "models", "misc", "base", "shared_types", "pkg",
}
