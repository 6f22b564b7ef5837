package repo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"holdfast/internal/blob"
	"holdfast/internal/problem"
	"holdfast/internal/seal"
)

// The plain objects of a repository; docs/format/repository.md, "Layout".
const (
	configKey    = "config"
	configFormat = "holdfast-repository/"
	version      = "1"
	keysDir      = "keys/"

	fileDir     = "file/"     // below keys/ID: key files
	identityDir = "identity/" // below keys/ID: wrapped identities

	maxConfig     = 4 << 10
	maxKeyFile    = 64 << 10
	maxKeyFiles   = 1 << 10 // one is needed; a change of keys that is cut short leaves one more
	maxKeyObjects = 1 << 16 // of all kinds under keys/
)

// Deletable is what keys of objects begin with that must never be locked against deletion: a key that
// cannot be destroyed erases nothing (docs/format/repository.md, "Layout").
const Deletable = keysDir

// Repository is an open repository. It is safe for concurrent use.
type Repository struct {
	bucket blob.Bucket
	id     seal.RepositoryID
	namer  *seal.Namer
	keys   *keyTable
	clock  func() time.Time

	mu      sync.Mutex
	session *session // what this view writes; nil before the first Put

	locked      map[Ref]bool // what this view put in a medium that locks it until lockedUntil
	lockedUntil time.Time
}

// session is what one writer writes.
type session struct {
	secret seal.Secret
	era    uint32
}

// ID returns the id of the repository, 32 hexadecimal digits.
func (r *Repository) ID() string { return r.id.String() }

// Place is where a repository is, or may be: a bucket, for packages that see none.
type Place struct{ bucket blob.Bucket }

// At returns the place of a bucket.
func At(bucket blob.Bucket) Place { return Place{bucket} }

// OpenAt is Open of the repository at a place.
func OpenAt(ctx context.Context, p Place, identity *seal.Identity) (*Repository, error) {
	return Open(ctx, p.bucket, identity)
}

// Init makes a repository in an empty bucket, its master key wrapped for the recipients: at least
// the operational and the recovery one. The config is written last and makes it exist, so that an
// Init that was cut short can be run again. The error is of kind Conflict when there is a repository
// already, and Usage when the bucket holds something else or recipients are missing.
func Init(ctx context.Context, bucket blob.Bucket, to ...seal.Recipient) error {
	id := seal.NewRepositoryID()
	master := seal.NewMaster(id)
	file, err := master.Wrap(to)
	if err != nil {
		return err
	}
	if err := vacant(ctx, bucket); err != nil {
		return err
	}
	k := &keyTable{bucket: bucket, id: id}
	// The name of a key file is that of its bytes: one that is there is ours, whose answer was lost.
	if err := bucket.Put(ctx, k.dir()+fileDir+sum(file), file); err != nil && !errors.Is(err, blob.ErrExist) {
		return fmt.Errorf("init: %w", err)
	}
	first := &seal.Table{
		Generation: 1, Base: true, Name: seal.NewTableName(), IDs: seal.NewKey(),
		Secrets: []seal.Secret{seal.NewSecret(true, time.Now())},
	}
	for _, r := range to {
		first.Members = append(first.Members, seal.Member{Recipient: r, Kind: MemberFile})
	}
	if err := k.put(ctx, master, seal.TableBase, first); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	config := fmt.Appendf(nil, "%s%s\nid %s\n", configFormat, version, id)
	err = bucket.Put(ctx, configKey, config)
	if errors.Is(err, blob.ErrExist) {
		there, err := bucket.Get(ctx, configKey, 0, maxConfig)
		if err == nil && bytes.Equal(there, config) {
			return nil // put by us, and its answer was lost: the id is ours alone
		}
		return exists()
	}
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	_ = blob.Reserve(ctx, bucket, reserveBytes) // without it the repository is one all the same
	return nil
}

// vacant returns an error unless the bucket holds nothing but what an interrupted Init leaves.
func vacant(ctx context.Context, bucket blob.Bucket) error {
	_, err := bucket.Stat(ctx, configKey)
	if err == nil {
		return exists()
	}
	if !errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("init: %w", err)
	}
	for info, err := range bucket.List(ctx, "") {
		if err != nil {
			return fmt.Errorf("init: %w", err)
		}
		if !strings.HasPrefix(info.Key, keysDir) {
			if _, err := bucket.Stat(ctx, configKey); err == nil {
				return exists() // made by another since
			} else if !errors.Is(err, blob.ErrNotFound) {
				return fmt.Errorf("init: %w", err)
			}
			return problem.Newf(problem.Usage, "the place of the new repository is not empty: it holds %s", info.Key).
				Hint("choose an empty or new directory")
		}
	}
	return nil
}

func exists() error {
	return problem.New(problem.Conflict, "there is a repository already").
		Hint("use it as it is, or choose another place")
}

// Open opens the repository in the bucket. The error is of kind NoRepository when there is none,
// WrongKey when the identity does not open it, and Damaged when its config or keys are not intact
// or of an unknown version.
func Open(ctx context.Context, bucket blob.Bucket, identity *seal.Identity) (*Repository, error) {
	id, err := readID(ctx, bucket)
	if err != nil {
		return nil, err
	}
	keys := &keyTable{
		bucket: bucket, id: id, identity: identity,
		masters: make(map[seal.MasterID]*seal.Master), parsed: make(map[string]parsedTable),
	}
	l, err := keys.unlocked(ctx) // before the table: without a key nothing can be said of that
	if err != nil {
		return nil, err
	}
	state, err := keys.loadFrom(ctx, l, false)
	if err != nil {
		return nil, err
	}
	return &Repository{bucket: bucket, id: id, namer: seal.NewNamer(id, state.table.IDs), keys: keys, clock: time.Now}, nil
}

// parseConfig reads the config; every byte has to be in its place.
func parseConfig(text []byte) (seal.RepositoryID, error) {
	first, rest, _ := strings.Cut(string(text), "\n")
	v, found := strings.CutPrefix(first, configFormat)
	if !found {
		return seal.RepositoryID{}, shut(configKey, "it does not begin with %s", configFormat)
	}
	if v != version {
		return seal.RepositoryID{}, problem.Newf(problem.Damaged, "config: repository version %.20q, this program knows %s", v, version).
			Hint("a newer version of holdfast made the repository; upgrade this one")
	}
	digits, found := strings.CutPrefix(rest, "id ")
	digits, ended := strings.CutSuffix(digits, "\n")
	var id seal.RepositoryID
	if !found || !ended || len(digits) != hex.EncodedLen(len(id)) {
		return id, shut(configKey, "no repository id")
	}
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil || id.String() != digits {
		return id, shut(configKey, "the repository id is not lower-case hexadecimal")
	}
	return id, nil
}

// readID reads the config.
func readID(ctx context.Context, bucket blob.Bucket) (seal.RepositoryID, error) {
	config, err := bucket.Get(ctx, configKey, 0, maxConfig)
	if errors.Is(err, blob.ErrNotFound) {
		return seal.RepositoryID{}, problem.Newf(problem.NoRepository, "there is no repository at %v", bucket).
			Hint("check the path, or make one with `holdfast init`")
	}
	if err != nil {
		return seal.RepositoryID{}, fmt.Errorf("open the repository: %w", err)
	}
	return parseConfig(config)
}

// sum is the name of a key file or wrapped identity.
func sum(file []byte) string {
	digest := sha256.Sum256(file)
	return hex.EncodeToString(digest[:])
}

// readKey reads a key file or wrapped identity. The error wraps blob.ErrNotFound when it is not there.
func readKey(ctx context.Context, bucket blob.Bucket, key string) ([]byte, error) {
	file, err := bucket.Get(ctx, key, 0, maxKeyFile+1)
	if err != nil {
		return nil, fmt.Errorf("open the repository: %w", err)
	}
	if !strings.HasSuffix(key, "/"+sum(file)) {
		return nil, problem.New(problem.Damaged, "the key file is altered")
	}
	return file, nil
}

// shut returns the error for damage without whose repair nothing of the repository can be read, so
// that no command can tell more.
func shut(key, format string, args ...any) error {
	return problem.Newf(problem.Damaged, "%s is damaged: %w", key, fmt.Errorf(format, args...)).
		Hint("put it back from another copy of the repository, byte for byte: without it no key opens the others")
}

// damaged returns the error for an object that is not what it should be.
func damaged(key, format string, args ...any) error {
	return problem.Newf(problem.Damaged, "%s is damaged: %w", key, fmt.Errorf(format, args...)).
		Hint("run `holdfast check` and `holdfast verify` to see what is affected; " +
			"put the object back from another copy of the repository, byte for byte, where there is one")
}
