package metadata

import "testing"

// FuzzFile: whatever a deployment holds is read or refused.
func FuzzFile(f *testing.F) {
	f.Add([]byte(`<?xml version="1.0"?><CustomObject xmlns="http://soap.sforce.com/2006/04/metadata"><label>Box</label><fields><fullName>A__c</fullName></fields></CustomObject>`))
	f.Add([]byte(`<Package><types><members>*</members><name>CustomObject</name></types><version>66.0</version></Package>`))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		if root, err := parseXML(raw); err == nil && root == nil {
			panic("a file without a root is read")
		}
		_, _ = readObject(raw)
		_, _ = readManifest(raw)
	})
}
