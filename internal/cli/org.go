package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"holdfast/internal/config"
	"holdfast/internal/problem"
	"holdfast/internal/salesforce"
)

// orgResult is what the org commands print with --json.
type orgResult struct {
	Name        string   `json:"name" doc:"what the org is called here"`
	InstanceURL string   `json:"instance_url" doc:"where its APIs are"`
	Auth        string   `json:"auth" doc:"access-token, refresh-token, jwt, client-credentials, sealed-token, sf or sign-in-file"`
	Username    string   `json:"username,omitempty" doc:"who signs in, where the way of signing in names it"`
	SecretFiles []string `json:"secret_files" doc:"paths of the files that hold the secrets; never the secrets"`

	Manners mannersResult `json:"manners" doc:"how it is read"`
}

func newOrgResult(o config.Org) orgResult {
	return orgResult{
		Name: o.Name, InstanceURL: o.InstanceURL, Auth: o.Auth, Username: o.Username, SecretFiles: o.SecretFiles(),
		Manners: newMannersResult(o.Name, o.Manners),
	}
}

// orgsResult is what `org list --json` prints.
type orgsResult struct {
	Orgs []orgResult `json:"orgs" doc:"the known orgs, by name"`
}

func (a *app) orgCommand() *cobra.Command {
	return a.group("org", "the orgs that this machine knows",
		a.orgAddCommand(), a.orgListCommand(), a.orgShowCommand(), a.orgSetCommand(), a.orgRemoveCommand())
}

func (a *app) orgs() (config.Orgs, error) {
	home, err := config.HomeDir(a.getenv)
	if err != nil {
		return config.Orgs{}, problem.Wrap(problem.Usage, err, "find the home folder").
			Hint("set %s", config.Home.Env)
	}
	return config.OpenOrgs(home), nil
}

// completeOrg completes the name of a known org as the first argument.
func (a *app) completeOrg(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	orgs, err := a.orgs()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	known, err := orgs.List()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names := make([]cobra.Completion, 0, len(known))
	for _, o := range known {
		names = append(names, o.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) orgAddCommand() *cobra.Command {
	var o config.Org
	var way signInWay
	cmd := a.command(spec{
		use:   "add NAME",
		short: "sign in to an org, and remember it",
		long: `Remembers an org under a name: its URL, and how to sign in to it. Secrets that you keep in files are read
when they are needed and are never copied; the files must be readable by their owner alone (chmod 600).

Give exactly one way to sign in:

  --web --client-id ID                            in your browser, as you do every day; the token is sealed for the
                                                  daily key. The connected app needs the callback URL
                                                  http://localhost:1717/OauthRedirect
  --from-sf ALIAS                                 the login of that alias or username in the sf command line, which
                                                  keeps it and is asked for a session when one is needed
  --sfdx-auth-url-file FILE                       force://… as ` + "`sf org auth show-sfdx-auth-url`" + ` prints it; the token is
                                                  sealed for the daily key
  --jwt-key-file FILE --client-id ID --username U a connected app with a certificate (best for schedules)
  --client-credentials --client-id ID --client-secret-file FILE
                                                  a connected app that acts as the user whom its settings name
  --refresh-token-file FILE --client-id ID        renewed as long as the org allows it
  --access-token-file FILE                        a session; it ends when the org ends it
  --sign-in-file FILE                             a JSON object as ` + "`holdfast emulate`" + ` prints it: instance_url,
                                                  access_token, and if there are any refresh_token and client_id`,
		example: `holdfast org add prod --web --client-id 3MVG9… --instance-url https://example.my.salesforce.com
holdfast org add prod --from-sf production
holdfast org add prod --instance-url https://example.my.salesforce.com \
    --jwt-key-file /etc/holdfast/prod.pem --client-id 3MVG9… --username backup@example.com
holdfast org add practice --sign-in-file emulator.json`,
		kinds:  []problem.Kind{problem.Unauthorized, problem.Unreachable, problem.WrongKey},
		result: orgResult{}, min: 1, max: 1,
	}, func(cmd *cobra.Command, args []string) error {
		o.Name = args[0]
		return a.addOrg(cmd.Context(), o, way)
	})
	flags := cmd.Flags()
	flags.StringVar(&o.InstanceURL, "instance-url", "", "`URL` of the org, such as https://example.my.salesforce.com")
	flags.StringVar(&o.LoginURL, "login-url", "", "`URL` where tokens are asked for, when that is not the instance URL")
	flags.BoolVar(&way.web, "web", false, "sign in in the browser")
	flags.BoolVar(&way.noBrowser, "no-browser", false, "with --web: print the address, and let me open it")
	flags.IntVar(&way.port, "callback-port", salesforce.DefaultCallbackPort, "with --web: `port` of the callback URL")
	flags.StringVar(&o.SFAlias, "from-sf", "", "`alias` or username of a login of the sf command line")
	flags.StringVar(&way.authURLFile, "sfdx-auth-url-file", "", "`file` with an SFDX authorization URL")
	flags.BoolVar(&way.client, "client-credentials", false, "sign in as the connected app itself")
	flags.StringVar(&o.AccessTokenFile, "access-token-file", "", "`file` with an access token")
	flags.StringVar(&o.RefreshTokenFile, "refresh-token-file", "", "`file` with a refresh token")
	flags.StringVar(&o.ClientSecretFile, "client-secret-file", "", "`file` with the secret of the connected app, if it has one")
	flags.StringVar(&o.JWTKeyFile, "jwt-key-file", "", "`file` with the private key of the connected app, PEM")
	flags.StringVar(&o.SignInFile, "sign-in-file", "", "`file` with a JSON object as the emulator prints it")
	flags.StringVar(&o.ClientID, "client-id", "", "consumer `key` of the connected app")
	flags.StringVar(&o.Username, "username", "", "`username` that signs in by JWT")
	flags.StringVar(&a.keyFile, config.KeyFile.Flag, "", flagText(config.KeyFile))
	return cmd
}

func (a *app) addOrg(ctx context.Context, o config.Org, way signInWay) error {
	if err := way.choose(&o); err != nil {
		return err
	}
	orgs, err := a.orgs()
	if err != nil {
		return err
	}
	if _, err := orgs.Get(o.Name); problem.KindOf(err) != problem.NotFound {
		return cmp.Or(err, error(problem.Newf(problem.Usage, "org %s is already there", o.Name).
			Hint("remove it with `holdfast org remove %s` or choose another name", o.Name)))
	}
	switch {
	case o.Auth == config.AuthSignInFile:
		s, err := readSignIn(o.SignInFile)
		if err != nil {
			return err
		}
		o.InstanceURL = cmp.Or(o.InstanceURL, s.InstanceURL)
	case o.Auth == config.AuthSF:
		login, err := askSF(ctx, o.SFAlias)
		if err != nil {
			return err
		}
		o.InstanceURL, o.Username = cmp.Or(o.InstanceURL, login.InstanceURL), login.Username
	case way.web:
		err = a.signInByBrowser(ctx, orgs, &o, way)
	case way.authURLFile != "":
		err = a.takeAuthURL(ctx, orgs, &o, way)
	}
	if err != nil {
		return err
	}
	if err := orgs.Add(o); err != nil {
		return err
	}
	return a.print(newOrgResult(o), func(w io.Writer) {
		fmt.Fprintf(w, "org %s at %s, sign-in by %s\n", o.Name, plain(o.InstanceURL), o.Auth)
	})
}

// signIn is the JSON object of a sign-in file and of the line that `holdfast emulate` prints.
// Other fields are left alone, so that the output of other tools can be used.
type signIn struct {
	InstanceURL  string `json:"instance_url" doc:"where the org's APIs are"`
	AccessToken  string `json:"access_token" doc:"a session"`
	Username     string `json:"username" doc:"who is signed in"`
	OrgID        string `json:"org_id" doc:"Id of the org"`
	RefreshToken string `json:"refresh_token,omitempty" doc:"what gets the next session"`
	ClientID     string `json:"client_id,omitempty" doc:"consumer key of the connected app"`
	Password     string `json:"password,omitempty" doc:"of the user, for the page that asks whether to allow access"`
	SecureURL    string `json:"secure_url,omitempty" doc:"where the org's APIs are over https"`
	ControlToken string `json:"control_token,omitempty" doc:"of the control endpoint"`
}

func readSignIn(path string) (signIn, error) {
	body, err := config.ReadSecret(path)
	if err != nil {
		return signIn{}, err
	}
	var s signIn
	// The error of the decoder could quote the secret, so it is not passed on.
	if json.Unmarshal(body, &s) != nil || s.InstanceURL == "" || s.AccessToken == "" {
		return signIn{}, problem.Newf(problem.Usage, "sign-in file %s is not a JSON object with instance_url and access_token", path).
			Hint("keep the line that `holdfast emulate` prints in it")
	}
	return s, nil
}

func (a *app) orgListCommand() *cobra.Command {
	return a.command(spec{
		use: "list", short: "list the known orgs",
		long:    "Lists the orgs that this machine knows, how it signs in to each, and as whom.",
		example: "holdfast org list\nholdfast org list --json",
		result:  orgsResult{},
	}, func(*cobra.Command, []string) error {
		orgs, err := a.orgs()
		if err != nil {
			return err
		}
		known, err := orgs.List()
		if err != nil {
			return err
		}
		result := orgsResult{Orgs: []orgResult{}}
		rows := make([][]string, 0, len(known))
		for _, o := range known {
			result.Orgs = append(result.Orgs, newOrgResult(o))
			rows = append(rows, []string{o.Name, o.InstanceURL, o.Auth, o.Username})
		}
		return a.print(result, func(w io.Writer) {
			if len(rows) == 0 {
				fmt.Fprintln(w, "no org is known here; `holdfast org add` makes one known")
				return
			}
			writeTable(w, []string{"NAME", "URL", "SIGN-IN", "USERNAME"}, rows)
		})
	})
}

func (a *app) orgShowCommand() *cobra.Command {
	return a.command(spec{
		use: "show NAME", short: "show what is remembered of an org",
		long:    "Shows what this machine remembers of an org: its URL, the way to sign in, and the paths of the secret files.",
		example: "holdfast org show prod",
		kinds:   []problem.Kind{problem.NotFound},
		result:  orgResult{}, min: 1, max: 1, org: true,
	}, func(_ *cobra.Command, args []string) error {
		orgs, err := a.orgs()
		if err != nil {
			return err
		}
		o, err := orgs.Get(args[0])
		if err != nil {
			return err
		}
		return a.print(newOrgResult(o), func(w io.Writer) {
			fmt.Fprintf(w, "org       %s\nURL       %s\nsign-in   %s\n", o.Name, plain(o.InstanceURL), o.Auth)
			if o.Username != "" {
				fmt.Fprintf(w, "username  %s\n", plain(o.Username))
			}
			for _, path := range o.SecretFiles() {
				fmt.Fprintf(w, "secret    %s\n", plain(path))
			}
			if len(newMannersResult(o.Name, o.Manners).rules()) > 0 {
				writeManners(w, o.Name, o.Manners)
			}
		})
	})
}

// removedResult is what `org remove --json` prints.
type removedResult struct {
	Removed string `json:"removed" doc:"name of the org that is no longer known"`
}

func (a *app) orgRemoveCommand() *cobra.Command {
	return a.command(spec{
		use: "remove NAME", short: "forget an org",
		long:    "Forgets an org. Its snapshots stay in the repository, and its secret files stay where they are.",
		example: "holdfast org remove prod",
		kinds:   []problem.Kind{problem.NotFound},
		result:  removedResult{}, min: 1, max: 1, org: true,
	}, func(_ *cobra.Command, args []string) error {
		orgs, err := a.orgs()
		if err != nil {
			return err
		}
		if err := orgs.Remove(args[0]); err != nil {
			return err
		}
		return a.print(removedResult{Removed: args[0]}, func(w io.Writer) {
			fmt.Fprintf(w, "org %s is forgotten; its snapshots and secret files stay\n", args[0])
		})
	})
}
