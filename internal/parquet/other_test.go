package parquet_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"holdfast/internal/sf"
)

// The reader of another author, in another language: hyparquet, on Node. Its folder is that of its package.
const (
	nodeEnv   = "HOLDFAST_NODE"
	readerEnv = "HOLDFAST_HYPARQUET"
)

const otherReader = `
import { pathToFileURL } from 'node:url'
import { readFileSync } from 'node:fs'
const [modules, name] = process.argv.slice(2)
const load = (path) => import(pathToFileURL(modules + '/' + path).href)
const { parquetReadObjects, parquetMetadata } = await load('hyparquet/src/node.js')
const { compressors } = await load('hyparquet-compressors/src/index.js')
const bytes = readFileSync(name)
const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
const types = {}
for (const e of parquetMetadata(file).schema) if (e.type) types[e.name] = e.type + ' ' + (e.logical_type?.type ?? '')
const rows = await parquetReadObjects({ file, compressors })
const plain = (_, v) => typeof v === 'bigint' ? v.toString() : v
console.log(JSON.stringify({ types, rows }, plain))
`

// TestAnotherReaderReadsTheSame has a file read by a library that shares nothing with the one that wrote it.
func TestAnotherReaderReadsTheSame(t *testing.T) {
	node, modules := os.Getenv(nodeEnv), os.Getenv(readerEnv)
	if _, err := os.Stat(filepath.Join(modules, "hyparquet")); modules == "" || node == "" || err != nil {
		t.Skipf("NOT TESTED: Parquet by another reader: set %s and %s (.ci/tools parquet installs them)", nodeEnv, readerEnv)
	}
	record := sf.Record{ID: "a00000000000001AAA", Shape: sf.NewShape("Invoice__c", fields), Values: make([]sf.Value, len(fields))}
	for name, text := range map[string]string{
		"At__c": "02:03:04.005Z", "Body__c": "é\n\"\x00 😀", "CreatedDate": "2026-03-01T02:00:00.123Z", "Due__c": "1969-12-31",
		"Lines__c": "-7", "Name": "", "Paid__c": "true", "Total__c": "1234.5",
	} {
		record.Values[record.Shape.Index(name)] = sf.Text(text)
	}
	empty := sf.Record{ID: "a00000000000002AAA", Shape: record.Shape, Values: make([]sf.Value, len(fields))}
	for i := range empty.Values {
		empty.Values[i] = sf.Null()
	}
	_, raw := written(t, record, empty)
	dir := t.TempDir()
	script, file := filepath.Join(dir, "read.mjs"), filepath.Join(dir, "invoice.parquet")
	for name, body := range map[string][]byte{script: []byte(otherReader), file: raw} {
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), node, script, modules, file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got struct {
		Types map[string]string
		Rows  []map[string]any
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	for name, want := range map[string]string{
		"Id": "BYTE_ARRAY STRING", "Paid__c": "BOOLEAN ", "Lines__c": "INT64", "Total__c": "DOUBLE ", "Due__c": "INT32 DATE",
		"CreatedDate": "INT64 TIMESTAMP", "At__c": "INT32 TIME", "Body__c": "BYTE_ARRAY STRING",
	} {
		if !strings.HasPrefix(got.Types[name], want) {
			t.Errorf("%s is %q, want %q", name, got.Types[name], want)
		}
	}
	if len(got.Rows) != 2 {
		t.Fatalf("%d rows: %s", len(got.Rows), out)
	}
	for name, want := range map[string]any{
		"Id": "a00000000000001AAA", "Body__c": "é\n\"\x00 😀", "CreatedDate": "2026-03-01T02:00:00.123Z", "Due__c": "1969-12-31T00:00:00.000Z",
		"Lines__c": "-7", "Name": "", "Paid__c": true, "Total__c": 1234.5, "At__c": 7384005.0,
	} {
		if got.Rows[0][name] != want {
			t.Errorf("%s is %#v, want %#v", name, got.Rows[0][name], want)
		}
		if v := got.Rows[1][name]; name != "Id" && v != nil {
			t.Errorf("null %s is %#v", name, v)
		}
	}
}
