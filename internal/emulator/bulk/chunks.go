package bulk

import (
	"cmp"
	"math/rand/v2"
	"strings"

	"holdfast/internal/emulator/org"
	"holdfast/internal/soql"
)

// Chunks of query jobs. Sources: Bulk API 2.0, "Chunking Query Jobs": the platform divides the query of a job by ranges of
// Ids and runs them as sub-batches in parallel, for custom objects, the shares and histories of supported objects and
// those that are listed; ORDER BY and LIMIT switch it off. That a page ends with its chunk and that chunks come in the
// order in which they ended is unverified, and the harder reading.

// span is a chunk of the rows of a result: at is where it begins in the result as served, from and to are its rows in the answer.
type span struct{ at, from, to int }

// chunkable are the standard objects whose queries are chunked, beside custom objects. Source: Bulk API
// Developer Guide, "PK Chunking".
var chunkable = listOf(`Account AccountContactRelation AccountTeamMember Asset Campaign CampaignMember Case CaseArticle CaseComment
	Contact ContractLineItem EmailMessage Event EventRelation FeedItem Individual Lead LoginHistory Note ObjectTerritory2Association
	Opportunity OpportunityContactRole OpportunityHistory OpportunityLineItem OpportunitySplit OpportunityTeamMember Pricebook2
	PricebookEntry Product2 ProductConsumed ProductRequired QuickText Quote QuoteLineItem ServiceContract Task User UserRole
	WorkOrder WorkOrderLineItem`)

func listOf(names string) map[string]bool {
	list := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		list[name] = true
	}
	return list
}

// chunks reports an object whose queries are chunked.
func chunks(o *org.Object) bool {
	switch o.AssociateEntityType {
	case "Share", "History":
		return chunkable[o.AssociateParentEntity] || strings.HasSuffix(o.AssociateParentEntity, "__c")
	case "":
		return chunkable[o.Name] || strings.HasSuffix(o.Name, "__c") && !o.CustomSetting
	}
	return false
}

// divide cuts the rows of a result into chunks and lets them come in the order that the seed draws. Chunks are
// of different sizes, as ranges of Ids with gaps are.
func (j *Jobs) divide(b *job, q *soql.Query, rows int) []span {
	if !b.chunked || len(q.OrderBy) > 0 || q.Limit != nil {
		return []span{{0, 0, rows}}
	}
	half := max(j.chunkRows()/2, 1)
	dice := rand.New(rand.NewPCG(j.cfg.Seed, uint64(b.number))) //nolint:gosec // what happens follows from the seed
	var spans []span
	for from := 0; from < rows || from == 0; {
		to := min(from+half+dice.IntN(half)+1, rows)
		spans = append(spans, span{from: from, to: to})
		if from = to; from == 0 {
			break
		}
	}
	dice.Shuffle(len(spans), func(a, b int) { spans[a], spans[b] = spans[b], spans[a] })
	at := 0
	for i := range spans {
		spans[i].at = at
		at += spans[i].to - spans[i].from
	}
	return spans
}

// chunkRows is the largest number of rows of a chunk.
func (j *Jobs) chunkRows() int {
	if j.cfg.Weather == nil {
		return j.cfg.ChunkRows
	}
	return cmp.Or(j.cfg.Weather.Hardness().Bulk.QueryChunk, j.cfg.ChunkRows)
}

// pages lists where the pages of a result begin, from one of them on, until there are enough.
func (b *job) pages(from, size, enough int) []int {
	var starts []int
	for _, s := range b.spans {
		for at := s.at; at < s.at+s.to-s.from || at == 0; at += size {
			if at >= from {
				starts = append(starts, at)
			}
			if len(starts) == enough {
				return starts
			}
		}
	}
	return starts
}
