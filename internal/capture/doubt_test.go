package capture_test

import (
	"testing"

	"holdfast/internal/sf"
)

// TestAShortListingBuriesNothing: of a few components, too, a listing that lacks them is not believed while the org gives them
// by name; what is deleted is buried, and the last of a type as well.
func TestAShortListingBuriesNothing(t *testing.T) {
	e := componentOrg(t)
	e.deploy(every())
	e.deploy(class("Pay", "public class Pay {}"))
	e.deploy(map[string]string{"flows/Greet.flow": `<Flow` + metadataSpace + `><apiVersion>66.0</apiVersion><label>one</label><processType>AutoLaunchedFlow</processType>` +
		`<start><locationX>0</locationX><locationY>0</locationY></start><status>Draft</status></Flow>`})
	e.back()
	for _, kind := range []string{"ApexClass", "CustomLabels", "Flow", "LightningComponentBundle", "Report", "EmailTemplate", "PermissionSet"} {
		e.opts.Metadata = blind{e.client, kind}
		count := len(e.held(kind))
		r := e.backPartial("components/" + kind)
		if len(e.held(kind)) != count || len(e.evidence("components/"+kind)) != 0 {
			t.Errorf("%s is buried on the word of a listing: %+v", kind, r.Failed())
		}
	}
	e.opts.Metadata = blind{e.client, "DocumentFolder"} // without its folders nothing is found of documents
	e.backPartial("components/Document", "components/DocumentFolder")
	e.opts.Metadata = e.client
	e.back()
	e.destroy(sf.ComponentKey{Type: "ApexClass", Name: "Pay"}, sf.ComponentKey{Type: "Flow", Name: "Greet-1"}, sf.ComponentKey{Type: "Report", Name: "Sales/Won"})
	e.back()
	for _, kind := range []string{"ApexClass", "Flow", "Report"} {
		if len(e.held(kind)) != 0 || len(e.evidence("components/"+kind)) != 1 {
			t.Errorf("%s: what was deleted is held", kind)
		}
	}
	e.opts.Ask = []sf.ComponentKey{{Type: "ApexClass", Name: "New"}, {Type: "PermissionSet", Name: "Readers"}}
	e.back()
	e.deploy(class("New", "public class New {}"))
	e.opts.Metadata = blind{e.client, "ApexClass"}
	e.backPartial("components/ApexClass")
}
