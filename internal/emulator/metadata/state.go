package metadata

// Still runs f while nothing in the store changes, so that it can be copied.
func (s *Store) Still(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Adopt gives a store that was read or copied the packages that can be installed.
func (s *Store) Adopt(registry Registry) {
	s.registry = registry
}
