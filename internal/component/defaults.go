package component

import (
	_ "embed" // for the table
	"fmt"
	"strings"
	"sync"
)

//go:embed defaults.txt
var defaultsText string

// loadDefaults returns, by type and path of an element, the text with which it says the same as when it is absent.
var loadDefaults = sync.OnceValue(func() map[string]map[string]string {
	all := map[string]map[string]string{}
	for n, line := range strings.Split(strings.TrimSpace(defaultsText), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		columns := strings.Fields(line)
		if len(columns) != 3 {
			panic(fmt.Sprintf("defaults.txt:%d: %d columns", n+1, len(columns))) // the file is part of the program
		}
		if all[columns[0]] == nil {
			all[columns[0]] = map[string]string{}
		}
		all[columns[0]][columns[1]] = columns[2]
	}
	return all
})

// Tidy returns a copy of a document without what says the same when it is absent, in canonical order: the form
// in which a hand-written document and the org's answer to it are compared. Nil stays nil.
func Tidy(kind string, root *Node) *Node {
	if root == nil {
		return nil
	}
	out := root.clone()
	strip(loadDefaults()[kind], "", out)
	return Order(kind, out)
}

func strip(defaults map[string]string, path string, n *Node) {
	kept := n.Nodes[:0]
	for _, c := range n.Nodes {
		at := strings.TrimPrefix(path+"."+c.Name, ".")
		if text, ok := defaults[at]; ok && len(c.Nodes) == 0 && c.Text == text {
			continue
		}
		strip(defaults, at, c)
		kept = append(kept, c)
	}
	n.Nodes = kept
}

// SameFiles reports that the files of two components say the same: their canonical forms are equal once what
// stands for its own absence is left out.
func SameFiles(kind string, a, b []Entry) bool {
	if Sum(kind, a) == Sum(kind, b) {
		return true
	}
	tidy := func(files []Entry) []Entry {
		out := make([]Entry, len(files))
		for i, f := range files {
			out[i] = f
			if root, err := Parse(f.Body); err == nil && !strings.HasPrefix(root.Name, "{") {
				out[i].Body = Print(Tidy(kind, root))
			}
		}
		return out
	}
	return Sum(kind, tidy(a)) == Sum(kind, tidy(b))
}
