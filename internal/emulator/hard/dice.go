package hard

import (
	"encoding/binary"
	"hash/fnv"
)

// The names of the behaviours that are drawn, as they stand in a log.
const (
	TooMany          = "tooMany"
	LimitExceeded    = "limitExceeded"
	ConcurrentLimit  = "concurrentLimit"
	UnknownException = "unknownException"
	Unavailable      = "unavailable"
	GatewayPage      = "gatewayPage"
	QueryTimeout     = "queryTimeout"
	LocatorLost      = "locatorLost"
	CutBefore        = "cutBefore"
	CutBody          = "cutBody"
	LoseReply        = "loseReply"
	SlowPage         = "slowPage"
	StripHeaders     = "stripHeaders"
	CensusShort      = "censusShort"
	PageShort        = "pageShort"
	RowLocked        = "rowLocked"
	LateCommit       = "others.lateCommit"
	HardDelete       = "others.hardDelete"
	FormulaDrift     = "others.formulaDrift"
	EmptyBin         = "others.emptyBin"
	LockFailure      = "bulk.lockFailure"
	ChunkTimeout     = "bulk.chunkTimeout"
	BatchTimeout     = "bulk.batchTimeout"
	JobFailure       = "bulk.jobFailure"
)

// The names of what is counted or timed and not drawn; they stand in a log, too.
const (
	TokenExpired = "tokenExpired"
	Maintenance  = "maintenance"
	Retired      = "retired"
	Concurrent   = "concurrent"
)

type behaviour struct {
	name  string
	share Share
}

// behaviours lists what is drawn, in the order in which a request meets it.
func (h *Hardness) behaviours() []behaviour {
	return []behaviour{
		{CutBefore, h.CutBefore},
		{TooMany, h.TooMany},
		{LimitExceeded, h.LimitExceeded},
		{ConcurrentLimit, h.ConcurrentLimit},
		{UnknownException, h.UnknownException},
		{Unavailable, h.Unavailable},
		{GatewayPage, h.GatewayPage},
		{QueryTimeout, h.QueryTimeout},
		{LocatorLost, h.LocatorLost},
		{SlowPage, h.SlowPage},
		{LoseReply, h.LoseReply},
		{CensusShort, h.CensusShort},
		{PageShort, h.PageShort},
		{StripHeaders, h.StripHeaders},
		{CutBody, h.CutBody},
		{RowLocked, h.RowLocked},
		{LateCommit, h.Others.LateCommit},
		{HardDelete, h.Others.HardDelete},
		{FormulaDrift, h.Others.FormulaDrift},
		{EmptyBin, h.Others.EmptyBin},
		{LockFailure, h.Bulk.LockFailure},
		{ChunkTimeout, h.Bulk.ChunkTimeout},
		{BatchTimeout, h.Bulk.BatchTimeout},
		{JobFailure, h.Bulk.JobFailure},
	}
}

// roll returns a number that follows from the seed and the rest, evenly from all.
func roll(seed uint64, name, key string, nth int64) uint64 {
	f := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], seed)
	binary.LittleEndian.PutUint64(b[8:], uint64(nth))
	_, _ = f.Write(b[:]) // a hash takes everything
	_, _ = f.Write([]byte(name))
	_, _ = f.Write([]byte{0})
	_, _ = f.Write([]byte(key))
	return mix(f.Sum64())
}

// mix spreads the bits of a number; neighbours end up far apart (the finisher of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// happens reports whether a roll falls below the share.
func happens(x uint64, s Share) bool {
	return s > 0 && (s >= 1 || float64(x>>11)/(1<<53) < float64(s))
}
