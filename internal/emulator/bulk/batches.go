package bulk

import (
	"cmp"
	"errors"
	"fmt"

	"holdfast/internal/emulator/hard"
	"holdfast/internal/emulator/org"
	"holdfast/internal/sf"
)

// The division of a job, unless the hardness says otherwise.
const (
	// batchRows is from Bulk API 2.0, "Understanding Bulk API 2.0 Ingest".
	batchRows = 10_000
	// batchRetries is how often a batch goes back into the queue. Older pages of the guides say 10, 15
	// and 20; the most patient org is the hardest to wait for.
	batchRetries = 20
)

// batch is a part of a job that is processed in chunks.
type batch struct {
	number   int
	from, to int // rows of the job
	at       int // the next row
	retries  int
}

// errTooOften fails a job one of whose batches has been put back too often. The words are those of
// the guides about queries, "Retried more than fifteen times"; for loads they are unverified.
func errTooOften(retries int) error {
	return fmt.Errorf("InternalServerError : Retried more than %d times", retries)
}

// errMidway fails a job between two batches; the words are unverified.
var errMidway = errors.New("InternalServerError : Unable to process the job")

// runBatches writes the rows of a job: batch after batch, or side by side with others, each in chunks
// of 200. An error fails the job; what has been written stays.
func (j *Jobs) runBatches(b *job, columns []column, rows []row) error {
	h := j.hardness()
	size := cmp.Or(h.BatchRows, batchRows)
	var queue []*batch
	for from := 0; from < len(rows); from += size {
		queue = append(queue, &batch{number: len(queue), from: from, to: min(from+size, len(rows)), at: from})
	}
	if h.Parallel > 0 || h.ChunkTime > 0 {
		return j.runTogether(b, columns, rows, queue)
	}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		for p.at < p.to {
			if j.stopped(b) {
				return nil
			}
			again, err := j.step(b, p, columns, rows, nil)
			if err == nil && again {
				err = p.putBack(h)
				queue = append(queue, p)
			}
			if err != nil {
				return err
			}
			if again {
				break
			}
		}
	}
	return nil
}

// putBack counts that the batch goes back into the queue.
func (p *batch) putBack(h hard.Bulk) error {
	if p.retries++; p.retries > cmp.Or(h.Retries, batchRetries) {
		return errTooOften(cmp.Or(h.Retries, batchRetries))
	}
	return nil
}

// step writes one chunk of a batch. again means that the batch goes back into the queue.
func (j *Jobs) step(b *job, p *batch, columns []column, rows []row, held map[sf.ID]*batch) (again bool, err error) {
	key := fmt.Sprintf("%s %s batch %d", b.operation, b.object, p.number)
	if p.at == p.from && j.draw(hard.JobFailure, key) {
		return false, errMidway
	}
	// A chunk that takes too long is rolled back: nothing of it was written.
	if j.draw(hard.ChunkTimeout, key) {
		return true, nil
	}
	to := min(p.at+chunkRows, p.to)
	if err := j.writeChunk(b, columns, rows[p.at:to], p, held); err != nil {
		return false, err
	}
	p.at = to
	j.mu.Lock()
	done := b.processed
	j.mu.Unlock()
	if err := j.rule(b, done); err != nil {
		return false, err
	}
	return p.at < p.to && j.draw(hard.BatchTimeout, key), nil
}

// hardness is what may befall jobs now.
func (j *Jobs) hardness() hard.Bulk {
	if j.cfg.Weather == nil {
		return hard.Bulk{}
	}
	return j.cfg.Weather.Hardness().Bulk
}

func (j *Jobs) draw(behaviour, key string) bool {
	if j.cfg.Weather == nil {
		return false
	}
	yes, _ := j.cfg.Weather.Draw(behaviour, key)
	return yes
}

// contended reports a row of a batch that loses the lock on a parent to another batch, which it has
// to fail for, and takes the locks of one that does not. Source: Salesforce Help, "Record Locking
// Cheat Sheet": a write locks the masters of the record.
func (j *Jobs) contended(object string, parents []sf.ID, p *batch, held map[sf.ID]*batch) (sf.ID, bool) {
	for _, id := range parents {
		if holder, ok := held[id]; ok && holder != p && j.draw(hard.LockFailure, object+" "+string(id)) {
			return id, true
		}
	}
	for _, id := range parents {
		if _, ok := held[id]; !ok {
			held[id] = p
		}
	}
	return "", false
}

// lock lets the rows of a chunk ask for their locks, one after the other, and returns those that got
// them. The others are refused.
func (j *Jobs) lock(b *job, load []org.Row, rows []*row, p *batch, held map[sf.ID]*batch) ([]org.Row, []*row) {
	parents := j.cfg.Org.Locks(load)
	j.mu.Lock()
	defer j.mu.Unlock()
	var free []org.Row
	var kept []*row
	for i := range load {
		id, lost := j.contended(b.object, parents[i], p, held)
		if !lost {
			free, kept = append(free, load[i]), append(kept, rows[i])
			continue
		}
		if given, err := sf.ParseID(load[i].ID); err == nil {
			rows[i].id = given
		}
		rows[i].outcome, rows[i].err = refused, errorText(lockFailure(id))
		b.processed++
		b.failures++
	}
	return free, kept
}

// lockFailure is what a row is refused with. Source: public results of loads.
func lockFailure(id sf.ID) []org.Error {
	return []org.Error{{
		Code: "UNABLE_TO_LOCK_ROW", Message: "unable to obtain exclusive access to this record or 1 records: " + string(id),
	}}
}
