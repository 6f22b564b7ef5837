package org

import "holdfast/internal/sf"

func postedFields(o *Object) []*Field {
	var out []*Field
	for _, f := range o.Fields {
		if f.spec.TrackFeedHistory && f.column >= 0 {
			out = append(out, f)
		}
	}
	return out
}

// post checks a post. Source: Object Reference, FeedItem: Body is required for a text post, LinkUrl
// for a link post; tracked changes are made by the platform only.
func (d *draft) post() *Error {
	link := d.get("LinkUrl") != ""
	switch {
	case link:
		d.preset("Type", "LinkPost")
	case d.get("RelatedRecordId") != "":
		d.preset("Type", "ContentPost")
	}
	d.preset("Type", "TextPost")
	d.preset("Status", "Published")
	d.preset("Visibility", "AllUsers")
	d.preset("InsertedById", string(d.w.caller.User))
	d.preset("LikeCount", "0") // likes are not modelled
	if link {
		d.put("HasLink", "true")
	}
	kind := d.get("Type")
	switch {
	case kind == "TrackedChange":
		return fault("FIELD_INTEGRITY_EXCEPTION", "You can't create a feed item of type TrackedChange", "Type")
	case d.get("Body") == "" && (kind == "TextPost" || kind == "AdvancedTextPost"):
		return fault("REQUIRED_FIELD_MISSING", "Required fields are missing: [Body]", "Body")
	case !link && kind == "LinkPost":
		return fault("REQUIRED_FIELD_MISSING", "Required fields are missing: [LinkUrl]", "LinkUrl")
	}
	if d.old != nil {
		d.put("LastEditById", string(d.w.caller.User))
		d.put("LastEditDate", d.w.stamp)
	}
	return nil
}

// comment gives a comment the parent of its post.
func (d *draft) comment() {
	p := d.w.o.record(sf.ID(d.get("FeedItemId")))
	if p.r != nil {
		d.put("ParentId", p.t.text(p.r, "ParentId"))
	}
	d.preset("CommentType", "TextComment")
	d.preset("Status", "Published")
	d.preset("InsertedById", string(d.w.caller.User))
}

// mirror puts a post into the feed of the object that it is about, under the same Id: AccountFeed is
// a read-only view of the posts on accounts. Source: Object Reference, AccountFeed.
func (d *draft) mirror() {
	p := d.w.o.record(sf.ID(d.get("ParentId")))
	if p.r == nil || p.t.beside == nil || p.t.beside.feed == nil {
		return
	}
	feed := p.t.beside.feed
	vals := make([]string, feed.columns)
	for _, f := range feed.object.Fields {
		if f.column >= 0 {
			vals[f.column] = d.get(f.Name)
		}
	}
	at := int32(len(feed.rows))
	if i, ok := feed.search(d.id); ok {
		at = int32(i)
	}
	d.w.set(feed, feed.pack(d.id, vals, live, at))
}

// postChanges makes a post of the changes of tracked fields. Source: Object Reference, FeedItem, type
// TrackedChange: one for all fields that one change touches.
func (d *draft) postChanges(s *satellites) {
	for _, f := range s.posted {
		if d.old.text(f.column) == d.vals[f.column] {
			continue
		}
		t := d.w.o.tables["feeditem"]
		post := &draft{w: d.w, t: t, object: t.object, id: d.w.o.newID(t), vals: make([]string, t.columns), given: map[int]bool{}}
		for name, text := range map[string]string{
			"ParentId": string(d.id), "Type": "TrackedChange", "Status": "Published", "Visibility": "AllUsers",
			"InsertedById": string(d.w.caller.User), "LikeCount": "0",
		} {
			post.put(name, text)
		}
		post.audit()
		d.w.set(t, t.pack(post.id, post.vals, live, int32(len(t.rows))))
		post.mirror()
		return
	}
}

// unmirror takes a deleted post out of the feed that shows it.
func (w *work) unmirror(p place, forGood bool) {
	parent := w.o.record(sf.ID(p.t.text(p.t.rows[p.pos], "ParentId")))
	if parent.r == nil || parent.t.beside == nil || parent.t.beside.feed == nil {
		return
	}
	feed := parent.t.beside.feed
	if r := feed.find(p.t.rows[p.pos].id); r != nil && r.fate == live {
		w.bury(place{feed, r.pos}, forGood)
	}
}
