package bulk

import (
	"sort"
	"strconv"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// The sizes of a chunk. Source: Bulk API Developer Guide, "PK Chunking Header".
const (
	defaultChunk = 100_000
	maxChunk     = 250_000
)

// chunking is what the header Sforce-Enable-PKChunking of a job asks for.
type chunking struct {
	rows  int   // of a chunk; 0: it is off
	start sf.ID // where the first chunk begins; empty: at the first row
}

// readChunking reads the header: TRUE, FALSE, or chunkSize=50000; startRow=00130000000xEftMGH; parent=Account. A parent is named
// for the shares and the history of an object, and is that object. Source: Bulk API Developer Guide, "PK Chunking Header". That
// anything else is refused, and with which words, is unverified.
func readChunking(header string, object *org.Object, isQuery bool) (chunking, error) {
	switch {
	case header == "" || strings.EqualFold(header, "false"):
		return chunking{}, nil
	case !isQuery:
		return chunking{}, invalidJob("PK chunking is for queries")
	case !chunks(object):
		return chunking{}, invalidJob("PK chunking is not supported for " + object.Name)
	}
	c := chunking{rows: defaultChunk}
	if strings.EqualFold(header, "true") {
		return c, nil
	}
	for option := range strings.SplitSeq(header, ";") {
		name, value, _ := strings.Cut(option, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "chunksize":
			n, err := strconv.Atoi(value)
			if err != nil || n <= 0 || n > maxChunk {
				return chunking{}, invalidJob("Invalid chunk size: " + value)
			}
			c.rows = n
		case "startrow":
			id, err := sf.ParseID(value)
			if err != nil {
				return chunking{}, invalidJob("Invalid start row: " + value)
			}
			c.start = id
		case "parent":
			if object.AssociateParentEntity == "" || !strings.EqualFold(value, object.AssociateParentEntity) {
				return chunking{}, invalidJob("Invalid parent of " + object.Name + ": " + value)
			}
		default:
			return chunking{}, invalidJob("Invalid PK chunking header: " + header)
		}
	}
	return c, nil
}

// from is the first row of an answer, which is in the order of Ids, that a chunk holds.
func (c chunking) from(a *org.Answer) int {
	if c.start == "" {
		return 0
	}
	return sort.Search(a.Len(), func(i int) bool { return a.Record(i).ID >= c.start })
}
