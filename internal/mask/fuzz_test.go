package mask

import "testing"

// FuzzParse: rules that are read name an object and a field each.
func FuzzParse(f *testing.F) {
	f.Add("# people\nContact.Email email\n*.type:phone\n")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := Parse(text)
		if err != nil {
			return
		}
		for _, r := range rules {
			if r.Object == "" || r.Field == "" || r.Method == "" {
				t.Fatalf("%q gives %+v", text, r)
			}
		}
	})
}
