package cli

import (
	"testing"
	"time"

	"holdfast/internal/emulator"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
)

// What is rehearsed has somebody's records, on a port of this machine that everybody on it can call: nobody can work out its
// tokens and passwords, as of an emulated org for practice.
func TestNobodyCanWorkOutTheTokensOfARehearsal(t *testing.T) {
	t.Parallel()
	a := &app{now: time.Now}
	public, err := emulator.Start(t.Context(), emulator.Options{Name: "rehearsal"})
	if err != nil {
		t.Fatal(err)
	}
	defer public.Close()
	seen := map[string]bool{public.AccessToken: true, public.RefreshToken: true, public.Password: true, public.ClientSecret: true}
	for range 2 {
		on, err := a.stage(t.Context(), "rehearsal")
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{on.server.AccessToken, on.server.RefreshToken, on.server.Password, on.server.ClientSecret} {
			if seen[secret] {
				t.Errorf("%q signs in to more than one", secret)
			}
			seen[secret] = true
		}
		stranger, err := salesforce.Connect(t.Context(), salesforce.Config{
			InstanceURL: on.server.URL, Credentials: salesforce.Credentials{AccessToken: salesforce.Secret(public.AccessToken)},
		})
		if err == nil {
			_, err = stranger.Schema(t.Context())
		}
		if problem.KindOf(err) != problem.Unauthorized {
			t.Errorf("the token of another signs in: %v", err)
		}
		if err := on.close(); err != nil {
			t.Error(err)
		}
	}
}
