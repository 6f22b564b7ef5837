package plan

import (
	"errors"
	"io"
)

func order(in Input) (*Plan, error)                       { return nil, errors.ErrUnsupported }
func encode(w io.Writer, p *Plan) error                   { return errors.ErrUnsupported }
func decode(r io.Reader) (*Plan, error)                   { return nil, errors.ErrUnsupported }
func approve(raw []byte, digest string) (Approved, error) { return Approved{}, errors.ErrUnsupported }
