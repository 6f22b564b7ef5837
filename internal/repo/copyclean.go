package repo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast/internal/blob"
	"holdfast/internal/seal"
)

// clean takes away what the repository has let go of: earlier generations of the key table, which hold
// keys that may be destroyed, key files, and where it is asked for objects. It deletes only what was in
// the copy before the repository was looked at, and was in that no more. What the key table still names
// is lost there rather than let go of; and while something is damaged there, an object that nothing seems
// to need may be the only one of its kind.
func (c *copying) clean(ctx context.Context, l listing, state *tableState, needed map[Ref]bool, here Contents) error {
	now, err := c.keysThere.list(ctx)
	if err != nil {
		return err
	}
	newest, _ := now.newest() // another copy may have been faster: then this one's generation goes, too
	if err := c.keysThere.forget(ctx, now, newest, true); err != nil {
		return err
	}
	for _, key := range slices.Concat(c.there.files, c.there.identities) {
		name, isIdentity := strings.CutPrefix(key, c.keys.dir()+identityDir)
		used := isIdentity && slices.ContainsFunc(state.table.Members, func(m seal.Member) bool { return m.Identity == name })
		if used || slices.Contains(l.files, key) || slices.Contains(l.identities, key) {
			continue
		}
		if err := c.to.Delete(ctx, key); err != nil {
			return fmt.Errorf("delete an old key file: %w", err)
		}
	}
	if !c.in.Delete || len(c.result.Missing) > 0 {
		return nil
	}
	for _, ref := range slices.SortedFunc(maps.Keys(c.objects), compareRefs) {
		_, held := here.Objects[ref]
		if held || needed[ref] || !slices.Contains(c.in.Collect, ref.Class) {
			continue
		}
		err := c.to.Delete(ctx, ref.Key())
		switch {
		case err == nil:
			c.result.Deleted.add(c.objects[ref])
		case errors.Is(err, blob.ErrRetained):
			c.result.Retained.add(c.objects[ref])
		default:
			return fmt.Errorf("delete %s: %w", ref, err)
		}
	}
	return nil
}
