package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
)

// RescuedFilesRow is the files of one object that were written.
type RescuedFilesRow struct {
	Object string `json:"object"`           // API name
	Folder string `json:"folder,omitempty"` // with the files, and a list of them; empty when nothing was written
	Files  int64  `json:"files"`            // that were written
	Lost   int64  `json:"lost"`             // that are missing or damaged
	Bytes  int64  `json:"bytes"`            // that were written
	Reason string `json:"reason,omitempty"` // why some, or all, are missing
}

// write writes the files of an object into a folder, each under the Id of its record, and files.csv, which
// says what they are: Id, Field, File, Name, Bytes, SHA256, Lost. The last is empty, or why the file is not there.
func (row *RescuedFilesRow) write(ctx context.Context, sn *snapshot.Snapshot, part snapshot.Part, in RescueInput) (err error) {
	row.Folder = "files/" + row.Object
	list, err := in.Create(row.Folder + "/files.csv")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	if _, err := fmt.Fprintln(list, "Id,Field,File,Name,Bytes,SHA256,Lost"); err != nil {
		return err
	}
	records, stop := iter.Pull2(sn.Lookup(ctx, row.Object, idsOf(ctx, sn, part.Object)))
	defer stop()
	record, failed, more := records()
	for r, err := range sn.Records(ctx, part.Object) {
		if err != nil {
			return err
		}
		files, err := heldFiles(sn.Schema().Object(row.Object), r)
		if err != nil {
			return problem.Wrap(problem.Damaged, err, "read "+part.Object)
		}
		name := ""
		if more && failed == nil && record.ID == r.ID { // without it the file is held, and its name is not
			name = fileName(record)
			record, failed, more = records()
		}
		for _, f := range files {
			line, err := row.one(ctx, in, r.ID, f, name)
			if err != nil {
				return err
			}
			if _, err := list.Write(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// idsOf yields the Ids of a part as far as it can be read.
func idsOf(ctx context.Context, sn *snapshot.Snapshot, object string) iter.Seq[sf.ID] {
	return func(yield func(sf.ID) bool) {
		for r, err := range sn.Records(ctx, object) {
			if err != nil || !yield(r.ID) {
				return
			}
		}
	}
}

// one writes one file, and returns its line of the list.
func (row *RescuedFilesRow) one(ctx context.Context, in RescueInput, id sf.ID, f heldFile, name string) ([]byte, error) {
	file, lost := string(id)+extension(name), ""
	if f.Field != "VersionData" && f.Field != "Body" {
		file = string(id) + "-" + f.Field + extension(name)
	}
	var n int64
	if f.Missing {
		lost = "it could not be read when the snapshot was made"
	} else {
		to, err := in.Create(row.Folder + "/" + file)
		if err != nil {
			return nil, err
		}
		n, err = io.Copy(to, in.Store.OpenBody(ctx, f.body))
		if closed := to.Close(); err == nil {
			err = closed
		}
		if err != nil && problem.KindOf(err) != problem.Damaged {
			return nil, err
		}
		if err != nil {
			lost = err.Error()
		}
	}
	row.Bytes += n
	if lost == "" {
		row.Files++
	} else {
		row.Lost++
		if row.Reason == "" {
			row.Reason = string(id) + ": " + lost
		}
		if f.Missing {
			file = ""
		}
	}
	var line []byte
	for i, cell := range []string{string(id), f.Field, file, name, strconv.FormatInt(f.Bytes, 10), f.SHA256, lost} {
		if i > 0 {
			line = append(line, ',')
		}
		line = appendCell(line, cell)
	}
	return append(line, '\n'), nil
}

// extension returns the ending of a file's name, with its dot, where it is short and plain: a name from an org is
// never a path.
func extension(name string) string {
	i := strings.LastIndexByte(name, '.')
	if i < 0 || len(name)-i > 12 || i+1 == len(name) {
		return ""
	}
	for _, c := range name[i+1:] {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return ""
		}
	}
	return name[i:]
}
