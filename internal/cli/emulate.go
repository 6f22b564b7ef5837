package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/internal/demo"
	"holdfast/internal/emulator"
	"holdfast/internal/emulator/org"
	"holdfast/internal/problem"
)

// emulateListen is where `emulate` listens by default: this machine alone can reach it.
const emulateListen = "127.0.0.1:0"

func (a *app) emulateCommand() *cobra.Command {
	var options emulator.Options
	var packages, tlsListen, certificate string
	var filled, control bool
	var hardness string
	var features []string
	cmd := a.command(spec{
		use: "emulate", group: groupOther,
		short: "serve an org on this machine, to practise and to test",
		long: `Serves an emulated org over HTTP until it is interrupted. When it is ready it prints one line, a JSON object
with all that a client needs to sign in, with or without --json. Keep it in a file that only you can read,
and ` + "`holdfast org add NAME --sign-in-file FILE`" + ` knows the org.

The org is in memory and begins anew each time, unless --data names a folder to keep it in. Custom objects come from deployments through the Metadata
API. With --tls-cert-out the org is served over https, too, and the certificate of the authority that vouches for
it is written to the file: give it to clients in NODE_EXTRA_CA_CERTS or SSL_CERT_FILE. Managed packages can be
installed when --packages names a folder with one folder for each namespace, in Metadata API format.

--hardness makes the org hard on its clients: a JSON object that says what goes wrong and how often, or the name of
a file that holds one. --control opens an endpoint that steers all this while the org is served. Both are described in
docs/reference/emulator.md.`,
		example: `holdfast emulate > emulator.json
holdfast emulate --listen 127.0.0.1:8181 --filled --seed 7
holdfast emulate --packages ./packages
holdfast emulate --tls-cert-out ca.pem
holdfast emulate --data prod
holdfast emulate --data qa --sandbox qa --sandbox-of prod
holdfast emulate --hardness '{"seed":7,"unavailable":0.1,"cutBody":0.05}' --control`,
		kinds:  []problem.Kind{},
		result: signIn{},
	}, func(cmd *cobra.Command, _ []string) error {
		var err error
		for _, name := range features {
			if err := options.Features.Enable(name); err != nil {
				return problem.Wrap(problem.Usage, err, "feature")
			}
		}
		if options.Packages, err = packageFolders(packages); err != nil {
			return err
		}
		if options.Hardness, err = readHardness(hardness); err != nil {
			return err
		}
		if control {
			options.ControlToken = rand.Text()
		}
		if (options.SandboxOf == "") != (options.Sandbox == "") {
			return problem.New(problem.Usage, "--sandbox and --sandbox-of go together").Hint("name the sandbox and the folder of its org")
		}
		if certificate != "" {
			options.TLSAddr = tlsListen
		}
		return a.emulate(cmd, options, certificate, filled)
	})
	flags := cmd.Flags()
	flags.StringVar(&options.Addr, "listen", emulateListen, "`address` to listen on; port 0 is any free one")
	flags.Uint64Var(&options.Seed, "seed", 1, "`number` from which Ids, tokens and generated records follow")
	flags.StringVar(&packages, "packages", "", "`folder` of managed packages that can be installed")
	flags.StringVar((*string)(&options.Kind), "kind", "developer", "what a new org is for: `developer`, sandbox or production; deployments have stricter rules in production")
	flags.StringSliceVar(&features, "feature", nil, "`name` of a feature to switch on, such as PersonAccounts; may be repeated")
	flags.StringSliceVar(&options.Permissions, "permission", nil, "`name` of a user permission that the first user has beyond an administrator's, such as BulkApiHardDelete; may be repeated")
	flags.StringVar(&certificate, "tls-cert-out", "", "serve https, too, and write the authority's certificate to this `file`")
	flags.StringVar(&tlsListen, "tls-listen", emulateListen, "`address` to listen on with https; port 0 is any free one")
	flags.StringVar(&options.Folder, "data", "", "`folder` to keep the org in; what is there is served again")
	flags.StringVar(&options.Sandbox, "sandbox", "", "`name` of a sandbox: a new folder begins as a copy of --sandbox-of")
	flags.StringVar(&options.SandboxOf, "sandbox-of", "", "`folder` with the org to make the sandbox of")
	flags.StringVar(&hardness, "hardness", "", "what goes wrong, as a JSON `object` or the name of a file with one")
	flags.BoolVar(&control, "control", false, "open the control endpoint; its token is in the line that is printed")
	flags.BoolVar(&filled, "filled", false, "fill the org with a generated company, as the demo does")
	return cmd
}

func (a *app) emulate(cmd *cobra.Command, options emulator.Options, certificate string, filled bool) error {
	ctx := cmd.Context()
	options.Clock = org.NewClock(a.now)
	server, err := emulator.Start(ctx, options)
	if refused, ok := errors.AsType[*net.OpError](err); ok {
		return problem.Wrap(problem.Usage, refused.Err, "listen on "+options.Addr).
			Hint("give HOST:PORT, such as 127.0.0.1:8181, and a port that nothing else uses")
	}
	if errors.Is(err, emulator.ErrKind) {
		return problem.Wrap(problem.Usage, err, "emulate")
	}
	if err != nil {
		return err
	}
	defer server.Close()
	filled = filled && !server.Kept
	if certificate != "" {
		// The certificate is for every client on the machine, so everyone may read it.
		if err := os.WriteFile(certificate, server.AuthorityPEM(), 0o644); err != nil {
			return problem.Wrap(problem.Usage, err, "tls-cert-out").Hint("name a file that can be written")
		}
	}
	if filled {
		if _, err := demo.Fill(ctx, server.URL, server.AccessToken, options.Seed); err != nil {
			return err
		}
	}
	err = a.encode(a.out, signIn{
		InstanceURL: server.URL, AccessToken: server.AccessToken, Username: server.Username, OrgID: server.OrgID,
		RefreshToken: server.RefreshToken, ClientID: server.ClientID, Password: server.Password, SecureURL: server.SecureURL,
		ControlToken: options.ControlToken,
	})
	if err != nil {
		return err
	}
	a.notice(fmt.Sprintf("an org is served at %s; interrupt to stop it", server.URL))
	<-ctx.Done() // being interrupted is how it ends
	server.Close()
	return server.SaveError()
}

// readHardness reads the value of --hardness.
func readHardness(text string) (emulator.Hardness, error) {
	if text == "" {
		return emulator.Hardness{}, nil
	}
	body := []byte(text)
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		var err error
		if body, err = os.ReadFile(text); err != nil {
			return emulator.Hardness{}, problem.Wrap(problem.Usage, err, "hardness").Hint("give a JSON object, or a file with one")
		}
	}
	h, err := emulator.ParseHardness(body)
	if err != nil {
		return emulator.Hardness{}, problem.Wrap(problem.Usage, err, "hardness").Hint("see docs/reference/emulator.md for the names")
	}
	return h, nil
}

// packageFolders returns the folders of managed packages by namespace.
func packageFolders(dir string) (map[string]string, error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "packages").Hint("give a folder with one folder for each namespace")
	}
	folders := map[string]string{}
	for _, e := range entries {
		if e.IsDir() || e.Type()&fs.ModeSymlink != 0 {
			folders[e.Name()] = filepath.Join(dir, e.Name())
		}
	}
	return folders, nil
}
