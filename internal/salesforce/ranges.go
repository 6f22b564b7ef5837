package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"holdfast/internal/problem"
	"holdfast/internal/sf"
)

const (
	// maxRangeCounts bounds how many counts cutting an object into ranges may cost. Ids of one object
	// lie in a few dense areas, since orgs are moved between instances, whose number is in the Id; a
	// range that is still too large then is read as it is.
	maxRangeCounts = 200
	// numberDigits is the part of an Id that counts up, in base 62: what stands before is the key prefix, the
	// instance and a reserved character. Source: Salesforce knowledge base, "Salesforce ID".
	numberDigits = 12
	idDigits     = 15 // of an Id, without the three that tell upper from lower case
)

// Ranges returns Ids, ascending, that cut the object's records of an Id after that one ("" is all) into
// ranges of about that many, and at most half as many again, since every further range costs a job. It asks for the first and the last Id and counts halves of what lies between,
// in as many calls as five counts to one make. An object that cannot be cut gives none.
func (o *Org) Ranges(ctx context.Context, object string, after sf.ID, rows int64) ([]sf.ID, error) {
	if !isName(object) {
		return nil, unknownObject("cut into ranges", object)
	}
	low, err := o.endID(ctx, object, after, "ASC")
	if err != nil || low == "" {
		return nil, err
	}
	high, err := o.endID(ctx, object, after, "DESC")
	if err != nil || high == "" || low.KeyPrefix() != high.KeyPrefix() {
		return nil, err
	}
	first := span{prefix: low.KeyPrefix(), from: numberOf(low), to: numberOf(high)}
	counted := []span{first}
	if counted[0].rows, err = o.countSpan(ctx, object, first); err != nil {
		return nil, err
	}
	largest := rows + rows/2
	for spent := 1; spent < maxRangeCounts; {
		cut := slices.IndexFunc(counted, func(s span) bool { return s.rows > largest && s.to.Cmp(s.from) > 0 })
		if cut < 0 {
			break
		}
		left, right := counted[cut].halves()
		if left.rows, err = o.countSpan(ctx, object, left); err != nil {
			return nil, err
		}
		spent++
		right.rows = counted[cut].rows - left.rows
		counted = slices.Replace(counted, cut, cut+1, left, right)
	}
	return bounds(counted, largest), nil
}

// bounds joins neighbours that together have no more than that many, and returns where each range but the last ends.
func bounds(spans []span, largest int64) []sf.ID {
	var out []sf.ID
	sum := int64(0)
	for i, s := range spans {
		sum += s.rows
		if i+1 < len(spans) && sum > 0 && sum+spans[i+1].rows > largest {
			out, sum = append(out, s.last()), 0
		}
	}
	return out
}

// span is a stretch of Ids, by their numbers, both ends included.
type span struct {
	prefix   string
	from, to *big.Int
	rows     int64
}

func (s span) halves() (left, right span) {
	middle := new(big.Int).Add(s.from, s.to)
	middle.Rsh(middle, 1)
	next := new(big.Int).Add(middle, big.NewInt(1))
	return span{prefix: s.prefix, from: s.from, to: middle}, span{prefix: s.prefix, from: next, to: s.to}
}

func (s span) first() sf.ID { return idOfNumber(s.prefix, s.from) }
func (s span) last() sf.ID  { return idOfNumber(s.prefix, s.to) }

const idAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// numberOf reads the digits of an Id behind its key prefix as one number.
func numberOf(id sf.ID) *big.Int {
	n, base := new(big.Int), big.NewInt(62)
	for _, c := range []byte(id[idDigits-numberDigits : idDigits]) {
		n.Add(n.Mul(n, base), big.NewInt(int64(strings.IndexByte(idAlphabet, c))))
	}
	return n
}

func idOfNumber(prefix string, number *big.Int) sf.ID {
	var digits [numberDigits]byte
	n, base, digit := new(big.Int).Set(number), big.NewInt(62), new(big.Int)
	for i := len(digits) - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		digits[i] = idAlphabet[digit.Int64()]
	}
	id, err := sf.ParseID(prefix + string(digits[:]))
	if err != nil {
		panic("ranges: " + err.Error()) // base 62 has no other characters
	}
	return id
}

// endID returns the first or the last Id of the object behind that one, or "" when there is none.
func (o *Org) endID(ctx context.Context, object string, after sf.ID, order string) (sf.ID, error) {
	var reply struct {
		Records []struct {
			ID string `json:"Id"`
		} `json:"records"`
	}
	query := "SELECT Id FROM " + object
	if after != "" {
		query += " WHERE Id > '" + string(after) + "'"
	}
	query += " ORDER BY Id " + order + " LIMIT 1"
	c := call{what: "find the ends of " + object, method: http.MethodGet, path: o.queryPath(query, false), repeat: true}
	if err := o.json(ctx, c, &reply); err != nil || len(reply.Records) == 0 {
		return "", err
	}
	id, err := sf.ParseID(reply.Records[0].ID)
	if err != nil {
		return "", fmt.Errorf("find the ends of %s: %w", object, err)
	}
	return id, nil
}

// countSpan counts the records of the span.
func (o *Org) countSpan(ctx context.Context, object string, s span) (int64, error) {
	var reply countReply
	query := "SELECT COUNT() FROM " + object + " WHERE Id >= '" + string(s.first()) + "' AND Id <= '" + string(s.last()) + "'"
	c := call{what: "count a range of " + object, method: http.MethodGet, path: o.queryPath(query, false), repeat: true}
	var raw json.RawMessage
	if err := o.json(ctx, c, &raw); err != nil {
		return 0, err
	}
	if json.Unmarshal(raw, &reply) != nil || reply.Total == nil || !reply.Done {
		return 0, problem.Newf(problem.Failed, "count a range of %s: no totalSize", object)
	}
	return *reply.Total, nil
}
