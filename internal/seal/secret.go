package seal

import (
	"errors"

	"holdfast/internal/problem"
)

// Enclose seals a small secret, such as a token, for recipients, as an age file in binary form.
func Enclose(secret []byte, to ...Recipient) ([]byte, error) {
	if len(to) == 0 {
		return nil, problem.New(problem.Usage, "a secret is sealed for nobody")
	}
	return wrap(secret, to)
}

// Disclose opens what Enclose sealed. Errors are of kind WrongKey or Damaged.
func (i *Identity) Disclose(sealed []byte) ([]byte, error) {
	secret, err := unwrap(sealed, i)
	switch {
	case errors.Is(err, errNoMatch):
		return nil, problem.New(problem.WrongKey, "sealed for another key").Hint("give the key that it was sealed for")
	case err != nil:
		return nil, problem.Wrap(problem.Damaged, err, "open a sealed secret")
	}
	return secret, nil
}
