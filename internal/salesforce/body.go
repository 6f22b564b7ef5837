package salesforce

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

// maxBody bounds the bytes of a file: the platform takes 2 GB through its APIs, and 10 GB at most (unverified).
const maxBody = 16 << 30

// Body writes the bytes of a file to w: those of the base64 field of the record. When the answer breaks off it
// goes on from there, as often as it takes while bytes arrive: with a Range, which an org may ignore, for whether
// it answers one is not documented (unverified); then what was written is compared with what comes again. An
// error of w comes back as it is, and a file that changed meanwhile is an error.
// Source: REST API Developer Guide, "sObject Blob Get".
func (o *Org) Body(ctx context.Context, object, field string, id sf.ID, w io.Writer) error {
	return o.download(ctx, "read "+field+" of "+object+" "+string(id),
		"sobjects/"+url.PathEscape(object)+"/"+url.PathEscape(string(id))+"/"+url.PathEscape(field), w)
}

// Image writes the bytes of an image to w to which a field of rich text refers, as Body does.
// Source: REST API Developer Guide, "sObject Rich Text Image Retrieve".
func (o *Org) Image(ctx context.Context, object, field string, id, image sf.ID, w io.Writer) error {
	return o.download(ctx, "read image "+string(image)+" in "+field+" of "+object+" "+string(id),
		"sobjects/"+url.PathEscape(object)+"/"+url.PathEscape(string(id))+"/richTextImageFields/"+
			url.PathEscape(field)+"/"+url.PathEscape(string(image)), w)
}

// download writes what is at the path to w.
func (o *Org) download(ctx context.Context, what, path string, w io.Writer) error {
	t := &transfer{to: w, hash: sha256.New()}
	c := call{
		what: what, method: http.MethodGet, path: o.data(path),
		// The length of what is compressed on the way says nothing of what arrives.
		header: map[string]string{"Accept-Encoding": "identity"}, repeat: true,
	}
	for ranges := true; ; {
		before := t.done
		err := o.do(ctx, c, func(resp *http.Response) error {
			err := t.receive(resp)
			if t.done > 0 && ranges {
				c.header["Range"] = "bytes=" + strconv.FormatInt(t.done, 10) + "-"
			}
			return err
		})
		f, refused := errors.AsType[*Fault](err)
		switch {
		case err == nil || t.failed != nil || ctx.Err() != nil:
			return err
		case refused && f.Status == http.StatusRequestedRangeNotSatisfiable && ranges:
			ranges = false // it may have broken off behind its last byte
			delete(c.header, "Range")
		case problem.KindOf(err) != problem.Unreachable || t.done == before:
			return err
		}
	}
}

// transfer is a file on its way.
type transfer struct {
	to     io.Writer
	hash   hash.Hash // of what was written
	done   int64     // bytes written
	failed error     // of to
}

// receive takes in one answer, from where the last one broke off.
func (t *transfer) receive(resp *http.Response) error {
	if resp.StatusCode == http.StatusPartialContent {
		from, ok := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(t.done, 10)+"-")
		if !ok || from == "" {
			return damaged("asked for the bytes from %d, got those of %q", t.done, resp.Header.Get("Content-Range"))
		}
	} else if t.done > 0 {
		if err := t.again(resp.Body); err != nil {
			return err
		}
	}
	_, err := io.Copy(t, &boundedReader{resp.Body, maxBody - t.done, maxBody})
	return err
}

// again reads what was written before, and fails unless it is the same.
func (t *transfer) again(r io.Reader) error {
	same := sha256.New()
	n, err := io.CopyN(same, r, t.done)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the file changed while it was read: it had %d bytes, and ends at %d now", t.done, n)
	}
	if err != nil {
		return err
	}
	if string(same.Sum(nil)) != string(t.hash.Sum(nil)) {
		return fmt.Errorf("the file changed while it was read: its first %d bytes are others now", t.done)
	}
	return nil
}

// Write passes bytes on, and counts them.
func (t *transfer) Write(p []byte) (int, error) {
	n, err := t.to.Write(p)
	t.hash.Write(p[:n])
	t.done += int64(n)
	t.failed = err
	return n, err
}
