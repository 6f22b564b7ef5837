package bulk

import (
	"time"

	"holdfast/internal/sf"
)

// floor is where the batches of all jobs are processed when several run side by side. It has as many places as
// the hardness says, and batches take them in the order in which they came, whichever their jobs are. How an org shares
// its places between jobs is not documented.
type floor struct {
	queue   []*placed // those at work first; guarded by Jobs.mu
	running bool      // a goroutine is at it; guarded by Jobs.mu
}

// placed is a batch on the floor, or before it.
type placed struct {
	*batch
	of *lot
}

// lot are the batches of one job.
type lot struct {
	job     *job
	columns []column
	rows    []row
	left    int           // batches that are not done; guarded by Jobs.mu
	err     error         // guarded by Jobs.mu
	done    chan struct{} // closed when none is left, or one has failed the job
}

// runTogether puts the batches of a job on the floor and waits until they are done.
func (j *Jobs) runTogether(b *job, columns []column, rows []row, batches []*batch) error {
	l := &lot{job: b, columns: columns, rows: rows, left: len(batches), done: make(chan struct{})}
	if len(batches) == 0 {
		return nil
	}
	j.mu.Lock()
	for _, p := range batches {
		j.floor.queue = append(j.floor.queue, &placed{batch: p, of: l})
	}
	if !j.floor.running && !j.closed {
		j.floor.running = true
		j.work.Go(j.runFloor)
	}
	j.mu.Unlock()
	select {
	case <-l.done:
	case <-j.ctx.Done():
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return l.err
}

// runFloor processes one chunk of each batch that has a place, again and again, until there are none. The chunks of a round
// are written at the same time as far as locks and the clock are concerned: no row of a batch gets a parent that
// another batch of the round has locked, and the round takes the time of one chunk.
func (j *Jobs) runFloor() {
	due := time.Now()
	for {
		h := j.hardness()
		j.mu.Lock()
		round := append([]*placed(nil), j.floor.queue[:min(max(h.Parallel, 1), len(j.floor.queue))]...)
		if len(round) == 0 || j.ctx.Err() != nil {
			j.floor.running = false
			j.mu.Unlock()
			return
		}
		j.mu.Unlock()
		var held map[sf.ID]*batch
		if h.Parallel > 1 {
			held = map[sf.ID]*batch{} // who has locked a parent
		}
		for _, p := range round {
			j.place(p, held)
		}
		if h.ChunkTime == 0 {
			continue
		}
		// A machine that is slower than the org it stands for does not catch up.
		now := time.Now()
		if due = due.Add(time.Duration(h.ChunkTime)); due.Before(now) {
			due = now
		}
		select {
		case <-time.After(due.Sub(now)):
		case <-j.ctx.Done():
		}
	}
}

// place writes the next chunk of a batch, unless its job is over, and takes the batch from the floor when it has no other.
func (j *Jobs) place(p *placed, held map[sf.ID]*batch) {
	l := p.of
	j.mu.Lock()
	over := l.err != nil
	j.mu.Unlock()
	var again bool
	var err error
	if over = over || j.stopped(l.job); !over {
		if again, err = j.step(l.job, p.batch, l.columns, l.rows, held); err == nil && again {
			err = p.putBack(j.hardness())
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case err != nil && l.err == nil:
		l.err = err
		close(l.done)
	case !over && !again && p.at < p.to:
		return
	}
	for i, q := range j.floor.queue {
		if q == p {
			j.floor.queue = append(j.floor.queue[:i:i], j.floor.queue[i+1:]...)
			break
		}
	}
	if again && err == nil {
		j.floor.queue = append(j.floor.queue, p)
		return
	}
	if l.left--; l.left == 0 && l.err == nil {
		close(l.done)
	}
}
