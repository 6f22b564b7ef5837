package run

import (
	"context"

	"holdfast/internal/plan"
	"holdfast/internal/sf"
	"holdfast/internal/snapshot"
	"holdfast/internal/state"
)

// bookKey is what a price is of: a product, in a currency.
type bookKey struct{ product, currency string }

func priceKey(get func(string) sf.Value) bookKey {
	return bookKey{get("Product2Id").Text(), get("CurrencyIsoCode").Text()}
}

// books orders prices: a product needs its standard price before it has one in another price book, and
// no reference says so. Where the standard price is missing it comes along.
// Source: Object Reference, PricebookEntry, "Usage".
func (w *wanted) books(ctx context.Context) error {
	const entry = "PricebookEntry"
	for _, object := range []string{entry, "Pricebook2"} {
		if part, held := w.live.Part(object); !held || part.State != snapshot.Whole {
			return nil
		}
	}
	books := map[string]bool{}
	for r, err := range w.live.Records(ctx, "Pricebook2") {
		if err != nil {
			return err
		}
		if r.Get("IsStandard").Text() == "true" {
			books[string(r.ID)] = true
		}
	}
	standard := func(get func(string) sf.Value) bool { return books[get("Pricebook2Id").Text()] }
	lacking := map[bookKey]bool{}
	for _, c := range w.delta {
		if get := valueAfter(c); c.Object == entry && c.Kind == state.Create && !standard(get) {
			lacking[priceKey(get)] = true
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	for r, err := range w.live.Records(ctx, entry) {
		if err != nil {
			return err
		}
		if standard(r.Get) {
			delete(lacking, priceKey(r.Get))
		}
	}
	if err := w.standardPrices(ctx, lacking, standard); err != nil {
		return err
	}
	first := map[bookKey]sf.ID{}
	for _, c := range w.delta {
		if get := valueAfter(c); c.Object == entry && c.Kind == state.Create && standard(get) {
			first[priceKey(get)] = c.ID
		}
	}
	for _, c := range w.delta {
		get := valueAfter(c)
		if id := first[priceKey(get)]; c.Object == entry && c.Kind == state.Create && !standard(get) && id != "" {
			w.needs = append(w.needs, plan.Link{Object: entry, ID: c.ID, Field: "Pricebook2Id", Target: id})
		}
	}
	return nil
}

func valueAfter(c state.Change) func(string) sf.Value {
	return func(field string) sf.Value {
		f, _ := c.Field(field)
		return f.After
	}
}

// standardPrices adds the standard prices that are lacking, as far as the wanted state has them.
func (w *wanted) standardPrices(ctx context.Context, lacking map[bookKey]bool, standard func(func(string) sf.Value) bool) error {
	const entry = "PricebookEntry"
	if !w.closure || !w.narrowed() || len(lacking) == 0 || !w.comparable(entry) {
		return nil
	}
	ids, coming := map[sf.ID]bool{}, w.coming()
	for r, err := range w.eq.Records(w.want.Records(ctx, entry)) {
		if err != nil {
			return err
		}
		if standard(r.Get) && lacking[priceKey(r.Get)] && !coming[r.ID] {
			ids[r.ID] = true
		}
	}
	return w.object(ctx, entry, func(id sf.ID) bool { return ids[id] }, true)
}
