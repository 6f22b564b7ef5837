package rollback

import (
	"slices"
	"strings"

	"holdfast/internal/component"
	"holdfast/internal/sf"
)

// Deletions come last, because what a deployment puts back may still be held by nothing, and what it takes away
// is held by whatever mentions it. A version of a flow keeps what it mentions whether or not it is active:
// source: simplysfdc.com, "Delete Custom Field" (flows, active or inactive). Whether a version that is deleted
// by the same manifest still does is unverified, and taken for the harder reading: versions go before what
// they mention, and after what mentions their flow.

// deletion is a component that is deleted, with all that it says.
type deletion struct {
	key   sf.ComponentKey
	words map[string]bool
}

// kept are the types whose components a flow, or another component that is deleted, keeps by mentioning them.
var kept = map[string]bool{
	"ApexClass": true, "ApexComponent": true, "ApexPage": true, "AuraDefinitionBundle": true, "CustomField": true, "CustomLabel": true,
	"CustomMetadata": true, "CustomObject": true, "CustomPermission": true, "EmailTemplate": true, "FlexiPage": true, "Flow": true, "GlobalValueSet": true,
	"Group": true, "LightningComponentBundle": true, "Queue": true, "QuickAction": true, "StaticResource": true, "WorkflowAlert": true,
}

// word is the name by which others mention a component; "" when they do not keep it.
func word(key sf.ComponentKey) string {
	if !kept[key.Type] {
		return ""
	}
	return key.Name[strings.LastIndexAny(key.Name, "./")+1:]
}

// words returns the names that stand in the files of a component.
func (c *Component) words() map[string]bool { return component.Words(c.Files) }

// deletions spreads what is deleted over the deployments: versions of flows go first but for what mentions
// their flows, and what they mention goes after them.
func (d *decision) deletions(versions []deletion) {
	if len(versions) == 0 {
		for _, x := range d.gone {
			d.first.remove(x.key)
		}
		return
	}
	for _, v := range versions {
		d.versions.remove(v.key)
	}
	before, after := d.mentioning(versions), d.mentioned(versions)
	last := d.versions
	for i := range d.gone {
		if after[i] && !before[i] {
			last = d.last
		}
	}
	for i, x := range d.gone {
		switch {
		case before[i] && after[i]: // a ring, which can only go at once
			d.versions.remove(x.key)
		case before[i]:
			d.first.remove(x.key)
		default:
			last.remove(x.key)
		}
	}
}

// mentioning returns which deletions mention one of the flows, or one that does.
func (d *decision) mentioning(versions []deletion) map[int]bool {
	var queue []string
	for _, v := range versions {
		flow, _ := component.SplitFlow(v.key.Name)
		queue = append(queue, flow)
	}
	found := map[int]bool{}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		for i, x := range d.gone {
			if name == "" || found[i] || !x.words[name] || word(x.key) == name {
				continue
			}
			found[i] = true
			queue = append(queue, word(x.key))
		}
	}
	return found
}

// mentioned returns which deletions one of the versions mentions, or one of these.
func (d *decision) mentioned(versions []deletion) map[int]bool {
	byWord := map[string][]int{}
	for i, x := range d.gone {
		if w := word(x.key); w != "" {
			byWord[w] = append(byWord[w], i)
		}
	}
	found := map[int]bool{}
	queue := slices.Clone(versions)
	for len(queue) > 0 {
		x := queue[0]
		queue = queue[1:]
		for w, at := range byWord {
			if !x.words[w] {
				continue
			}
			for _, i := range at {
				if !found[i] {
					found[i] = true
					queue = append(queue, d.gone[i])
				}
			}
		}
	}
	return found
}
