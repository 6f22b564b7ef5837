package repo

// Repository is an open repository.
type Repository struct{}
