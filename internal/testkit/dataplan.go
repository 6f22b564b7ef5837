package testkit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// LoadPlan loads a data plan of the format of `sf data import tree --plan`: a list of objects, each
// with files of records whose references "@Name" point at records of earlier files. It returns the
// number of records.
func LoadPlan(ctx context.Context, l *Loader, plan string) (int, error) {
	var steps []struct {
		SObject string   `json:"sobject"`
		Files   []string `json:"files"`
	}
	if err := readJSON(plan, &steps); err != nil {
		return 0, err
	}
	refs, total := map[string]string{}, 0
	for _, step := range steps {
		for _, file := range step.Files {
			var body struct {
				Records []map[string]any `json:"records"`
			}
			if err := readJSON(filepath.Join(filepath.Dir(plan), file), &body); err != nil {
				return total, err
			}
			for _, record := range body.Records {
				for field, value := range record {
					name, ok := strings.CutPrefix(fmt.Sprint(value), "@")
					if !ok {
						continue
					}
					id, known := refs[name]
					if !known {
						return total, fmt.Errorf("%s: %s refers to %s, which no earlier file holds", file, field, name)
					}
					record[field] = id
				}
			}
			made, err := l.Tree(ctx, step.SObject, body.Records)
			if err != nil {
				return total, fmt.Errorf("%s: %w", file, err)
			}
			for name, id := range made {
				refs[name] = id
			}
			total += len(body.Records)
		}
	}
	return total, nil
}

func readJSON(path string, out any) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
