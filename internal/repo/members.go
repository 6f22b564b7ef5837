package repo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// Kinds of members, besides those of key services: how the identity of a recipient is kept.
const (
	MemberFile       = "file"       // in a file outside the repository
	MemberPassphrase = "passphrase" // in the repository, wrapped with a passphrase
)

// maxMembers bounds the recipients of a repository: each makes the key file longer.
const maxMembers = 64

// Members returns who can open the repository, sorted by recipient.
func (r *Repository) Members(ctx context.Context) ([]seal.Member, error) {
	state, err := r.keys.load(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(state.table.Members), nil
}

// Identities returns the wrapped identities that are kept in the repository in the bucket, opened by
// nothing. They are for whoever has no identity yet.
func Identities(ctx context.Context, bucket blob.Bucket) (seal.RepositoryID, [][]byte, error) {
	id, err := readID(ctx, bucket)
	if err != nil {
		return id, nil, err
	}
	k := &keyTable{bucket: bucket, id: id}
	l, err := k.list(ctx)
	if err != nil {
		return id, nil, err
	}
	var files [][]byte
	for i, key := range l.identities {
		if i == maxKeyFiles {
			break
		}
		file, err := readKey(ctx, bucket, key)
		if err != nil {
			return id, nil, err
		}
		files = append(files, file)
	}
	return id, files, nil
}

// AddMember lets one more recipient open the repository. wrapped is its identity, when that is kept in
// the repository, else nil. The error is of kind Conflict when it is a member already.
func (r *Repository) AddMember(ctx context.Context, m seal.Member, wrapped []byte) error {
	if wrapped != nil {
		m.Identity = sum(wrapped)
		key := r.keys.dir() + identityDir + sum(wrapped)
		if err := r.bucket.Put(ctx, key, wrapped); err != nil && !errors.Is(err, blob.ErrExist) {
			return fmt.Errorf("keep the wrapped key: %w", err)
		}
	}
	return r.rekey(ctx, false, func(members []seal.Member) ([]seal.Member, error) {
		for _, old := range members {
			if old.Recipient.String() == m.Recipient.String() {
				return nil, problem.Newf(problem.Conflict, "%s can open the repository already", m.Recipient)
			}
		}
		return append(members, m), nil
	})
}

// RemoveMember takes a recipient away: there is a new master key that it does not open. What it has
// copied it can still read. The error is of kind NotFound when there is none whose text begins with
// prefix, and Usage when there are several, when fewer than two would be left, or when it is the one
// that this repository was opened with.
func (r *Repository) RemoveMember(ctx context.Context, prefix string) (seal.Member, error) {
	var gone seal.Member
	err := r.rekey(ctx, true, func(members []seal.Member) ([]seal.Member, error) {
		gone = seal.Member{}
		var left []seal.Member
		found := 0
		for _, m := range members {
			if !strings.HasPrefix(m.Recipient.String(), prefix) {
				left = append(left, m)
				continue
			}
			gone = m
			found++
		}
		switch {
		case found == 0:
			return nil, problem.Newf(problem.NotFound, "no key %.80s opens the repository", prefix).Hint("`holdfast key list` lists them")
		case found > 1:
			return nil, problem.Newf(problem.Usage, "%d keys begin with %.80s", found, prefix).Hint("give more characters of it")
		case r.keys.identity.Has(gone.Recipient):
			return nil, problem.New(problem.Usage, "the key that is in use cannot remove itself").Hint("open the repository with another key to remove this one")
		}
		if len(left) < seal.MinRecipients {
			return nil, problem.Newf(problem.Usage, "fewer than %d keys would be left", seal.MinRecipients).Hint("add another key first with `holdfast key add`")
		}
		return left, nil
	})
	return gone, err
}

// Rotate makes a new master key, for the same recipients. No object outside the key table is touched.
func (r *Repository) Rotate(ctx context.Context) error {
	return r.rekey(ctx, true, func(members []seal.Member) ([]seal.Member, error) { return members, nil })
}

// rekey makes a generation for other members, and under a new master key when fresh. The new key file
// is there before the generation that needs it, and the old ones go after it: whenever this ends, a
// key file opens what the newest generation needs.
func (r *Repository) rekey(ctx context.Context, fresh bool, change func([]seal.Member) ([]seal.Member, error)) error {
	state, err := r.keys.load(ctx)
	if err != nil {
		return err
	}
	master := state.master
	if fresh {
		master = seal.NewMaster(r.id)
	}
	var old []string
	s := succession{master: master, destroy: fresh}
	s.change = func(ctx context.Context, now *tableState, next *seal.Table) error {
		if !fresh && now.master.ID() != master.ID() {
			return problem.New(problem.Conflict, "somebody else changed the keys of the repository").Hint("run the command again")
		}
		if next.Members, err = change(next.Members); err != nil {
			return err
		}
		// What is there before the new file can go after it. Whoever is faster or later writes files
		// that are not among these, or that need not stay.
		if old, err = r.oldKeys(ctx, now.table.Members, next.Members); err != nil {
			return err
		}
		return r.wrapFor(ctx, master, next.Members)
	}
	// What cannot be is said before a generation is closed for it.
	if _, err := change(slices.Clone(state.table.Members)); err != nil {
		return err
	}
	if _, err = r.keys.succeed(ctx, s); err != nil {
		return err
	}
	for _, key := range old {
		if err := r.bucket.Delete(ctx, key); err != nil {
			return fmt.Errorf("delete an old key file: %w", err)
		}
	}
	return nil
}

// wrapFor puts a key file for the members.
func (r *Repository) wrapFor(ctx context.Context, master *seal.Master, members []seal.Member) error {
	if len(members) > maxMembers {
		return problem.Newf(problem.Usage, "%d keys, at most %d can open a repository", len(members), maxMembers)
	}
	var to []seal.Recipient
	for _, m := range members {
		to = append(to, m.Recipient)
	}
	file, err := master.Wrap(to)
	if err != nil {
		return err
	}
	if err := r.bucket.Put(ctx, r.keys.dir()+fileDir+sum(file), file); err != nil && !errors.Is(err, blob.ErrExist) {
		return fmt.Errorf("write the key file: %w", err)
	}
	return nil
}

// oldKeys returns the key files that are there, and the wrapped identities of those who are members no
// more. Other identities that no member has stay: somebody may be about to become the member.
func (r *Repository) oldKeys(ctx context.Context, before, after []seal.Member) ([]string, error) {
	l, err := r.keys.list(ctx)
	if err != nil {
		return nil, err
	}
	old := l.files
	for _, m := range before {
		kept := slices.ContainsFunc(after, func(a seal.Member) bool { return a.Identity == m.Identity })
		if m.Identity != "" && !kept {
			old = append(old, r.keys.dir()+identityDir+m.Identity)
		}
	}
	return old, nil
}
