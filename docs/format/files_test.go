package format_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"

	"holdfast/internal/testkit"
)

// files inserts attachments, some of the same bytes, and versions of documents, and returns the Ids of the former.
func (m *maker) files(insert func(object string, n int, row func(i int) testkit.Row) []string, account string) []string {
	m.t.Helper()
	insert("ContentVersion", 2, func(i int) testkit.Row {
		body := make([]byte, 700_000*i+1)
		_, _ = rand.NewChaCha8([32]byte{1}).Read(body)
		return testkit.Row{"PathOnClient": "v.bin", "VersionData": base64.StdEncoding.EncodeToString(body)}
	})
	return insert("Attachment", 6, func(i int) testkit.Row {
		body := strings.Repeat("attached ", 1+40_000*(i%3))
		return testkit.Row{"Name": "a.txt", "ParentId": account, "Body": base64.StdEncoding.EncodeToString([]byte(body))}
	})
}

// dumpPart reads what the snapshot names of an object from the org.
func (m *maker) dumpPart(p statedPart) []map[string]any {
	m.t.Helper()
	if object, found := strings.CutPrefix(p.Object, "files/"); found {
		return m.dumpFiles(object, p.BodyFields)
	}
	query := "SELECT " + strings.Join(append([]string{"Id"}, p.Fields...), ",") + " FROM " + p.Object
	rows, err := m.loader.Query(m.t.Context(), query)
	if err != nil && strings.Contains(err.Error(), "requires a filter") { // then only what is held can be asked for
		state, failed := try(func() map[string]row { return m.reader.part(part{Object: p.Object, Layers: p.Layers}) })
		m.check(failed)
		ids := slices.Sorted(maps.Keys(living(state)))
		if len(ids) == 0 {
			return nil
		}
		rows, err = m.loader.Query(m.t.Context(), query+" WHERE Id IN ('"+strings.Join(ids, "','")+"')")
	}
	m.check(err)
	return rows
}

// dumpFiles reads the files of an object from the org.
func (m *maker) dumpFiles(object string, fields []string) []map[string]any {
	m.t.Helper()
	rows, err := m.loader.Query(m.t.Context(), "SELECT Id FROM "+object)
	m.check(err)
	for _, row := range rows {
		for _, f := range fields {
			req, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet,
				m.server.URL+"/services/data/v66.0/sobjects/"+object+"/"+row["Id"].(string)+"/"+f, nil)
			m.check(err)
			req.Header.Set("Authorization", "Bearer "+m.server.AccessToken)
			resp, err := http.DefaultClient.Do(req)
			m.check(err)
			row[f], err = io.ReadAll(resp.Body)
			m.check(err)
			m.check(resp.Body.Close())
		}
	}
	return rows
}

// compareFiles holds every file of a part to what the org held, unless a gap says that they are of an earlier time.
func (m *maker) compareFiles(id string, s *checked, p statedPart, seen []map[string]any) (files int) {
	m.t.Helper()
	if slices.ContainsFunc(s.gaps, func(g gap) bool { return g.Object == p.Object }) {
		return 0
	}
	state := living(s.states[p.Object])
	if p.State != "whole" || len(state) != len(seen) {
		m.t.Errorf("%.8s %s: %d files, the org had %d", id, p.Object, len(state), len(seen))
	}
	for _, want := range seen {
		for _, f := range p.BodyFields {
			value := state[want["Id"].(string)].values[f]
			if value == nil {
				m.t.Errorf("%.8s %s %s has no %s", id, p.Object, want["Id"], f)
				continue
			}
			got, err := try(func() []byte { return m.reader.body(*value) })
			m.check(err)
			if !bytes.Equal(got, want[f].([]byte)) {
				m.t.Errorf("%.8s %s %s: %d bytes of %s, the org had others", id, p.Object, want["Id"], len(got), f)
			}
			files++
		}
	}
	return files
}

// heldFiles returns the fields whose bytes a snapshot holds.
func heldFiles(s *checked) map[string]bool {
	files := map[string]bool{}
	for _, p := range s.parts {
		for _, f := range p.BodyFields {
			files[strings.TrimPrefix(p.Object, "files/")+"."+f] = p.State == "whole"
		}
	}
	return files
}
