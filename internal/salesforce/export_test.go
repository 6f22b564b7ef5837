package salesforce

import (
	"bytes"
	"io"
)

// ArchiveFilter is an archiveFilter with what it has taken out.
type ArchiveFilter struct {
	*archiveFilter
	archive *bytes.Buffer
}

// NewArchiveFilter filters src.
func NewArchiveFilter(src io.Reader) *ArchiveFilter {
	b := &bytes.Buffer{}
	return &ArchiveFilter{&archiveFilter{src: src, to: b, room: maxArchive}, b}
}

// Archive returns what was taken out so far.
func (f *ArchiveFilter) Archive() string { return f.archive.String() }
