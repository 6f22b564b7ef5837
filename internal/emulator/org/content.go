package org

import (
	"path"
	"strconv"
	"strings"

	"holdfast/internal/sf"
)

// A file is a ContentDocument with versions and links. It is made by its first ContentVersion.
// Source: Object Reference, ContentVersion, ContentDocument and ContentDocumentLink.

// fileTypes are the values of FileType by extension. Source: Object Reference, ContentVersion.FileType,
// and public replies; UNKNOWN where nothing else is known.
var fileTypes = map[string]string{
	"txt": "TEXT", "csv": "CSV", "pdf": "PDF", "png": "PNG", "jpg": "JPG", "jpeg": "JPG", "gif": "GIF", "bmp": "BMP",
	"doc": "WORD", "docx": "WORD_X", "xls": "EXCEL", "xlsx": "EXCEL_X", "ppt": "POWER_POINT", "pptx": "POWER_POINT_X",
	"zip": "ZIP", "xml": "XML", "html": "HTML", "htm": "HTML", "svg": "SVG", "mp4": "MP4", "mp3": "MP3", "json": "JSON",
	"snote": "SNOTE", "rtf": "RTF", "js": "JS", "css": "CSS", "eml": "EML", "msg": "MSG", "avi": "AVI", "mov": "MOV",
}

// version checks and derives a version of a file.
func (d *draft) version() *Error {
	if d.old != nil {
		// Source: Object Reference, ContentVersion: only the latest version can be edited.
		if d.was("IsLatest") != "true" {
			return fault("FIELD_INTEGRITY_EXCEPTION", "You can only edit the latest version of a file", "Id")
		}
		return nil
	}
	link := d.get("ContentUrl") != ""
	switch {
	case d.get("PathOnClient") == "" && !link:
		return fault("REQUIRED_FIELD_MISSING", "Required fields are missing: [PathOnClient]", "PathOnClient")
	case d.get("VersionData") == "" && !link:
		return fault("REQUIRED_FIELD_MISSING", "Required fields are missing: [VersionData]", "VersionData")
	case d.get("ContentDocumentId") != "" && d.get("FirstPublishLocationId") != "":
		return fault("FIELD_INTEGRITY_EXCEPTION", "FirstPublishLocationId can be set for the first version only", "FirstPublishLocationId")
	}
	name := path.Base(strings.ReplaceAll(d.get("PathOnClient"), `\`, "/"))
	extension := strings.TrimPrefix(path.Ext(name), ".")
	d.preset("Title", strings.TrimSuffix(name, path.Ext(name)))
	d.put("FileExtension", extension)
	d.put("FileType", orElse(fileTypes[fold(extension)], "UNKNOWN"))
	if link {
		d.put("FileType", "LINK")
	}
	if b := d.w.o.bodies[d.get("VersionData")]; b != nil {
		d.put("ContentSize", strconv.FormatInt(b.size, 10))
		d.put("Checksum", b.checksum)
	}
	for field, text := range map[string]string{
		"ContentLocation": "S", "Origin": "C", "SharingOption": "A", "SharingPrivacy": "N", "PublishStatus": "P",
		"ContentModifiedDate": d.w.stamp, "ContentModifiedById": string(d.w.caller.User),
	} {
		d.preset(field, text)
	}
	return d.numberVersion()
}

// numberVersion makes the version the latest of its document, or makes the document.
func (d *draft) numberVersion() *Error {
	last := 0
	if id := d.get("ContentDocumentId"); id != "" {
		if err := d.reference(d.object.Field("ContentDocumentId"), sf.ID(id)); err != nil {
			return err
		}
		t, rows := d.w.o.childrenOf("contentversion", "ContentDocumentId", sf.ID(id), nil)
		for _, r := range rows {
			if n, err := strconv.Atoi(t.text(r, "VersionNumber")); err == nil {
				last = max(last, n)
			}
			if t.text(r, "IsLatest") == "true" {
				d.w.amend(place{t, r.pos}, map[string]string{"IsLatest": "false"})
			}
		}
	} else {
		d.put("ContentDocumentId", string(d.w.plant("ContentDocument", map[string]string{
			"OwnerId": d.get("OwnerId"), "Title": d.get("Title"), "CreatedDate": d.get("CreatedDate"),
		})))
	}
	d.put("VersionNumber", itoa(last+1))
	d.put("IsMajorVersion", "true")
	d.put("IsLatest", "true")
	return nil
}

// published brings the document up to its latest version and makes the links of a new file: to its
// owner, and to where it was first published.
func (d *draft) published() *Error {
	w := d.w
	document := w.o.record(sf.ID(d.get("ContentDocumentId")))
	if document.r == nil {
		return nil
	}
	values := map[string]string{"LatestPublishedVersionId": string(d.id), "SystemModstamp": w.stamp}
	for _, name := range []string{
		"Title", "Description", "FileType", "FileExtension", "ContentSize", "SharingOption", "SharingPrivacy", "PublishStatus",
		"ContentModifiedDate",
	} {
		values[name] = d.get(name)
	}
	if d.old == nil && d.get("VersionNumber") != "1" || d.old != nil && !w.opts.Quiet {
		values["LastModifiedDate"], values["LastModifiedById"] = w.stamp, string(w.caller.User)
	}
	w.amend(place{document.t, document.r.pos}, values)
	if d.old != nil || d.get("VersionNumber") != "1" {
		return nil
	}
	owner := d.get("OwnerId")
	w.linkFile(document.r.id, sf.ID(owner), "I")
	if at := d.get("FirstPublishLocationId"); at != "" && at != owner {
		w.linkFile(document.r.id, sf.ID(at), "V")
	}
	return nil
}

func (w *work) linkFile(document, entity sf.ID, share string) {
	w.plant("ContentDocumentLink", map[string]string{
		"ContentDocumentId": string(document), "LinkedEntityId": string(entity), "ShareType": share, "Visibility": "AllUsers",
	})
}

// renamed brings the title and description of a document to its latest version.
func (d *draft) renamed() {
	if d.old == nil {
		return
	}
	p := d.w.o.record(sf.ID(d.get("LatestPublishedVersionId")))
	if p.r != nil {
		d.w.amend(place{p.t, p.r.pos}, map[string]string{
			"Title": d.get("Title"), "Description": d.get("Description"), "SystemModstamp": d.w.stamp,
		})
	}
}

// fileLink checks a link. Sources: Object Reference, ContentDocumentLink: ShareType is required, and I
// is for links that the platform makes and for libraries; public replies for the double, "is already
// linked with"; the exact wordings are unverified.
func (d *draft) fileLink() *Error {
	if d.old != nil {
		return nil
	}
	d.preset("Visibility", "AllUsers")
	d.preset("ShareType", "V")
	t, rows := d.w.o.childrenOf("contentdocumentlink", "ContentDocumentId", sf.ID(d.get("ContentDocumentId")), nil)
	for _, r := range rows {
		if t.text(r, "LinkedEntityId") == d.get("LinkedEntityId") {
			return fault("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: <unknown>")
		}
	}
	return nil
}

// keepsOwnerLink refuses to take a file away from its owner. The wording is unverified.
func (w *work) keepsOwnerLink(t *table, r *row) *Error {
	document := w.o.record(sf.ID(t.text(r, "ContentDocumentId")))
	if document.r == nil || document.r.fate != live || document.t.text(document.r, "OwnerId") != t.text(r, "LinkedEntityId") {
		return nil
	}
	return fault("DELETE_FAILED", "You can't remove the owner's access to a file")
}
