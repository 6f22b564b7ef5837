package formula

// MarshalText returns the formula as it was written.
func (f *Formula) MarshalText() ([]byte, error) { return []byte(f.text), nil }

// UnmarshalText reads a formula as Parse does.
func (f *Formula) UnmarshalText(text []byte) error {
	read, err := Parse(string(text))
	if err != nil {
		return err
	}
	*f = *read
	return nil
}
