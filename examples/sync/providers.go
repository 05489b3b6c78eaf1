package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/usher-go/usher/examples/internal/files"
	"github.com/usher-go/usher/examples/internal/terminal"
	"github.com/usher-go/usher/sources"
	"github.com/usher-go/usher/sources/entra"
	"github.com/usher-go/usher/sources/okta"
	"github.com/usher-go/usher/sources/onelogin"
	"github.com/usher-go/usher/sources/rippling"
	"github.com/usher-go/usher/sources/salesforce"
	"github.com/usher-go/usher/sources/scimclient"
)

// A provider is a kind of directory that this program reads.
type provider struct {
	kind      string
	variables []variable
	open      func(settings, opening) (sources.Source, error)
}

// A variable of the environment configures a provider.
type variable struct {
	name, help string
	secret     bool // its value is a credential
	file       bool // its value is the path of a file that holds the credential
	flag       bool // its value is yes, or nothing
}

// settings are the values of a provider's variables; for a file, what it holds.
type settings map[string]string

// An opening has what a source needs besides its settings.
type opening struct {
	connection string
	transport  http.RoundTripper
	logger     *slog.Logger
}

// providers are those that this program reads, in the order of -help.
var providers = []provider{
	{
		kind: sources.KindOkta,
		variables: []variable{
			{name: "OKTA_URL", help: "the org's address, https://acme.okta.com"},
			{name: "OKTA_TOKEN", help: "an API token", secret: true},
			{name: "OKTA_CLIENT_ID", help: "or a service app, and"},
			{name: "OKTA_PRIVATE_KEY_FILE", help: "the file with its key in PEM", secret: true, file: true},
			{name: "OKTA_KEY_ID", help: "the key's ID, if the app has several"},
			{name: "OKTA_APP_ID", help: "reads only those who are assigned to this app"},
			{name: "OKTA_SEES", help: "all or part: what the credential sees, if its admin roles do not tell"},
		},
		open: func(s settings, o opening) (sources.Source, error) {
			return okta.New(okta.Config{
				Connection: o.connection, Transport: o.transport, Logger: o.logger,
				URL: s["OKTA_URL"], Token: s["OKTA_TOKEN"], ClientID: s["OKTA_CLIENT_ID"],
				PrivateKey: []byte(s["OKTA_PRIVATE_KEY_FILE"]), KeyID: s["OKTA_KEY_ID"], AppID: s["OKTA_APP_ID"],
				Sees: okta.Sight(s["OKTA_SEES"]),
			})
		},
	},
	{
		kind: sources.KindEntra,
		variables: []variable{
			{name: "AZURE_TENANT_ID", help: "the tenant"},
			{name: "AZURE_CLIENT_ID", help: "the application, and"},
			{name: "AZURE_CLIENT_SECRET", help: "its secret", secret: true},
			{name: "AZURE_AUTHORITY_HOST", help: "where to log in; default https://login.microsoftonline.com"},
			{name: "ENTRA_HIDDEN_MEMBERS", help: "yes: the application has Member.Read.Hidden", flag: true},
			{name: "GRAPH_URL", help: "default https://graph.microsoft.com"},
		},
		open: func(s settings, o opening) (sources.Source, error) {
			credential := clientSecret{s, o.transport}
			if _, err := credential.address(); err != nil {
				return nil, err
			}
			return entra.New(entra.Config{
				Connection: o.connection, Transport: o.transport, Logger: o.logger, URL: s["GRAPH_URL"],
				Credential: credential, HiddenMembers: s["ENTRA_HIDDEN_MEMBERS"] != "",
			})
		},
	},
	{
		kind: sources.KindSalesforce,
		variables: []variable{
			{name: "SALESFORCE_LOGIN_URL", help: "where to log in; default https://login.salesforce.com"},
			{name: "SALESFORCE_CLIENT_ID", help: "the consumer key of the external client app"},
			{name: "SALESFORCE_CLIENT_SECRET", help: "its consumer secret, to log in as the app itself", secret: true},
			{name: "SALESFORCE_REFRESH_TOKEN", help: "or a refresh token, with the secret if the app wants one", secret: true},
			{name: "SALESFORCE_USERNAME", help: "or a user, and"},
			{name: "SALESFORCE_PRIVATE_KEY_FILE", help: "the file with the RSA key in PEM that signs for the user", secret: true, file: true},
		},
		open: func(s settings, o opening) (sources.Source, error) {
			return salesforce.New(salesforce.Config{
				Connection: o.connection, Transport: o.transport, Logger: o.logger,
				LoginURL: s["SALESFORCE_LOGIN_URL"], ClientID: s["SALESFORCE_CLIENT_ID"], ClientSecret: s["SALESFORCE_CLIENT_SECRET"],
				RefreshToken: s["SALESFORCE_REFRESH_TOKEN"], Username: s["SALESFORCE_USERNAME"], PrivateKey: []byte(s["SALESFORCE_PRIVATE_KEY_FILE"]),
			})
		},
	},
	{
		kind: sources.KindOneLogin,
		variables: []variable{
			{name: "ONELOGIN_URL", help: "the account's address, https://acme.onelogin.com"},
			{name: "ONELOGIN_CLIENT_ID", help: "the API credential"},
			{name: "ONELOGIN_CLIENT_SECRET", help: "and its secret", secret: true},
			{name: "ONELOGIN_NO_MANAGERS", help: "yes: reads no managers", flag: true},
		},
		open: func(s settings, o opening) (sources.Source, error) {
			return onelogin.New(onelogin.Config{
				Connection: o.connection, Transport: o.transport, Logger: o.logger,
				URL: s["ONELOGIN_URL"], ClientID: s["ONELOGIN_CLIENT_ID"], ClientSecret: s["ONELOGIN_CLIENT_SECRET"],
				NoManagers: s["ONELOGIN_NO_MANAGERS"] != "",
			})
		},
	},
	{
		kind: sources.KindRippling,
		variables: []variable{
			{name: "RIPPLING_URL", help: "default https://rest.ripplingapis.com"},
			{name: "RIPPLING_TOKEN", help: "the API token", secret: true},
			{name: "RIPPLING_HIDDEN", help: "fields that the token may not see, such as department,level"},
			{name: "RIPPLING_NO_MANAGERS", help: "yes: reads no managers", flag: true},
			{name: "RIPPLING_NO_GROUPS", help: "yes: reads no groups", flag: true},
		},
		open: func(s settings, o opening) (sources.Source, error) {
			return rippling.New(rippling.Config{
				Connection: o.connection, Transport: o.transport, Logger: o.logger,
				URL: s["RIPPLING_URL"], Token: s["RIPPLING_TOKEN"],
				Hidden:     strings.FieldsFunc(s["RIPPLING_HIDDEN"], func(r rune) bool { return r == ',' || r == ' ' }),
				NoManagers: s["RIPPLING_NO_MANAGERS"] != "", NoGroups: s["RIPPLING_NO_GROUPS"] != "",
			})
		},
	},
	{
		kind: sources.KindSCIM,
		variables: []variable{
			{name: "SCIM_URL", help: "the base of the server's API, https://idp.example/scim/v2"},
			{name: "SCIM_TOKEN", help: "a bearer token", secret: true},
			{name: "SCIM_USERNAME", help: "or a user, and"},
			{name: "SCIM_PASSWORD", help: "the password", secret: true},
			{name: "SCIM_TOKEN_URL", help: "or a token endpoint for client credentials, and"},
			{name: "SCIM_CLIENT_ID", help: "the client, and"},
			{name: "SCIM_CLIENT_SECRET", help: "its secret", secret: true},
			{name: "SCIM_PAGING", help: "index, cursor or all: how the server pages, if it does not tell"},
			{name: "SCIM_NO_GROUPS", help: "yes: reads no groups", flag: true},
			{name: "SCIM_NO_MEMBERS", help: "yes: reads groups without members, as of AWS", flag: true},
		},
		open: func(s settings, o opening) (sources.Source, error) {
			return scimclient.New(scimclient.Config{
				Connection: o.connection, Transport: o.transport, Logger: o.logger,
				URL: s["SCIM_URL"], Token: s["SCIM_TOKEN"], UserName: s["SCIM_USERNAME"], Password: s["SCIM_PASSWORD"],
				TokenURL: s["SCIM_TOKEN_URL"], ClientID: s["SCIM_CLIENT_ID"], ClientSecret: s["SCIM_CLIENT_SECRET"],
				Paging:   scimclient.Paging(s["SCIM_PAGING"]),
				NoGroups: s["SCIM_NO_GROUPS"] != "", NoMembers: s["SCIM_NO_MEMBERS"] != "",
			})
		},
	},
}

// providerOf returns the provider of a kind.
func providerOf(word string) (provider, error) {
	var kinds []string
	for _, p := range providers {
		if sources.SameKind(p.kind, word) {
			return p, nil
		}
		kinds = append(kinds, p.kind)
	}
	return provider{}, fmt.Errorf("%w: -source %q: want one of %s", terminal.ErrUsage, word, strings.Join(kinds, ", "))
}

// read reads the variables, and the files that they name.
func (p provider) read(env func(string) string, live bool) (settings, error) {
	s := settings{}
	for _, v := range p.variables {
		value := env(v.name)
		if value == "" {
			continue
		}
		if v.flag && value != "yes" {
			return nil, fmt.Errorf("%w: %s: want yes or nothing, not %.40q", terminal.ErrUsage, v.name, value)
		}
		if v.file && live {
			data, err := os.ReadFile(value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.name, files.InFile(value, err))
			}
			value = string(data)
		}
		s[v.name] = value
	}
	if len(s) == 0 {
		return nil, fmt.Errorf("%w: no credentials for %s: none of its variables is set (%s, ...)", terminal.ErrUsage, p.kind, p.variables[0].name)
	}
	return s, nil
}

// secrets returns the credentials among the settings.
func (p provider) secrets(s settings) []string {
	var secrets []string
	for _, v := range p.variables {
		if v.secret && s[v.name] != "" {
			secrets = append(secrets, s[v.name])
		}
	}
	return secrets
}

// describeVariables prints the variables of all providers.
func describeVariables(w io.Writer) {
	for _, p := range providers {
		fmt.Fprintf(w, "\nFor -source %s these variables are read:\n", p.kind)
		for _, v := range p.variables {
			fmt.Fprintf(w, "  %-27s  %s\n", v.name, v.help)
		}
	}
}
