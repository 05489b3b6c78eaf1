package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
)

// A conversation is the ordered list of requests that a provider sends to one
// customer.
type conversation struct {
	Title string `json:"title"`
	// Facts names the source of the request formats.
	Facts  string `json:"facts"`
	Tenant string `json:"tenant"`
	Steps  []step `json:"steps"`
}

// A step is a request. In its path and body, {{name}} is replaced by the id in
// the answer to an earlier step.
type step struct {
	Says   string          `json:"says"`
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body"`
	Save   string          `json:"save"`
	// Rules, if set, replace the request of this step: an admin saves them as
	// the rules of the customer. They may contain {{name}}.
	Rules json.RawMessage `json:"rules"`
	// Approve, if set, replaces the request: an admin approves this class.
	Approve string `json:"approve"`
}

// play plays the conversations of the directory demo against the application.
// It prints each request, the plan lines that the request caused, and the
// mails.
func play(ctx context.Context, opt options, out io.Writer) error {
	if opt.postgres == "" {
		dir, err := os.MkdirTemp("", "fullstack")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		opt.db = filepath.Join(dir, "demo.db")
	}
	stores, err := openStores(ctx, opt)
	if err != nil {
		return err
	}
	defer func() { _ = stores.Close() }()
	p := &player{out: out, saved: make(map[string]string)}
	p.app, err = newApp(stores, appConfig{
		tokens: map[string]string{"acme": "demo-okta", "globex": "demo-entra"}, logger: slog.New(slog.DiscardHandler), observe: p.observe, mail: p.mail,
	})
	if err != nil {
		return err
	}
	defer p.app.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p.base = "http://" + listener.Addr().String() + "/scim/v2"
	server := &http.Server{Handler: p.app.handler}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()
	for _, name := range []string{"okta.json", "entra.json"} {
		text, err := demo.ReadFile("demo/" + name)
		if err != nil {
			return err
		}
		var c conversation
		if err := json.Unmarshal(text, &c); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(out, "%s\n", c.Title)
		for i := range c.Steps {
			if err := p.step(ctx, &c, &c.Steps[i]); err != nil {
				return fmt.Errorf("%s: step %d, %s: %w", name, i+1, c.Steps[i].Says, err)
			}
		}
		fmt.Fprintln(out)
	}
	return nil
}

// A player plays the conversations one after another.
type player struct {
	app   *app
	base  string
	out   io.Writer
	saved map[string]string

	mu    sync.Mutex
	plans []string // hashes of the plans since the last step
	mails []string
}

func (p *player) observe(_ context.Context, e syncer.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind == syncer.RunEnded && e.Plan != "" {
		p.plans = append(p.plans, e.Plan)
	}
}

func (p *player) mail(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mails = append(p.mails, line)
}

func (p *player) step(ctx context.Context, c *conversation, s *step) error {
	var err error
	switch {
	case s.Rules != nil:
		fmt.Fprintf(p.out, "\n  %s\n", s.Says)
		err = p.save(ctx, c, s)
	case s.Approve != "":
		fmt.Fprintf(p.out, "\n  %s\n", s.Says)
		err = p.approve(ctx, c, s)
	default:
		err = p.request(ctx, c, s)
	}
	if err != nil {
		return err
	}
	if err := p.deliver(ctx, c.Tenant); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, hash := range p.plans {
		plan, err := p.app.team.Plan(ctx, c.Tenant, hash)
		if err != nil {
			return err
		}
		_, lines, _ := strings.Cut(plan.String(), "\n")
		for line := range strings.Lines(lines) {
			fmt.Fprintf(p.out, "      %s", line)
		}
	}
	for _, mail := range p.mails {
		fmt.Fprintf(p.out, "      > %s\n", mail)
	}
	p.plans, p.mails = nil, nil
	return nil
}

// deliver waits until the syncer, or this function, has delivered every effect.
func (p *player) deliver(ctx context.Context, tenant string) error {
	for range 1000 {
		if _, err := p.app.sync.Deliver(ctx, tenant); err != nil {
			return err
		}
		waiting := false
		for _, err := range p.app.team.Effects(ctx, tenant) {
			if err != nil {
				return err
			}
			waiting = true
			break
		}
		if !waiting {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return errors.New("effects wait for too long")
}

var placeholder = regexp.MustCompile(`\{\{(\w+)\}\}`)

func (p *player) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(name string) string { return p.saved[strings.Trim(name, "{}")] })
}

// request sends one request as the provider does.
func (p *player) request(ctx context.Context, c *conversation, s *step) error {
	path := p.fill(s.Path)
	req, err := http.NewRequestWithContext(ctx, s.Method, p.base+strings.ReplaceAll(path, " ", "%20"), strings.NewReader(p.fill(string(s.Body))))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.app.cfg.tokens[c.Tenant])
	req.Header.Set("Content-Type", "application/scim+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "\n  %s\n    %s %s  %d\n", s.Says, s.Method, path, resp.StatusCode)
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%d: %s", resp.StatusCode, body)
	}
	if s.Save != "" {
		var answer struct{ ID string }
		if err := json.Unmarshal(body, &answer); err != nil || answer.ID == "" {
			return errors.Join(fmt.Errorf("the answer has no id: %s", body), err)
		}
		p.saved[s.Save] = answer.ID
	}
	return nil
}

// save saves the rules of the customer. They apply at once (R29).
func (p *player) save(ctx context.Context, c *conversation, s *step) error {
	var text bytes.Buffer
	if err := json.Compact(&text, s.Rules); err != nil {
		return err
	}
	filled := p.fill(text.String())
	if _, err := provisioning.ParseConfig([]byte(filled)); err != nil {
		return err
	}
	if err := p.app.saveRules(ctx, c.Tenant, filled); err != nil {
		return err
	}
	_, err := p.app.sync.Run(ctx, p.app.customers[c.Tenant].target())
	return err
}

// approve approves the waiting changes of one class.
func (p *player) approve(ctx context.Context, c *conversation, s *step) error {
	target := p.app.customers[c.Tenant].target()
	var class provisioning.Class
	if err := class.UnmarshalText([]byte(s.Approve)); err != nil {
		return err
	}
	plan, err := p.app.sync.Plan(ctx, target)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.plans = nil // the plan was printed before
	p.mu.Unlock()
	report, err := p.app.sync.Apply(ctx, target, plan, plan.Approve(class))
	if err == nil {
		fmt.Fprintf(p.out, "      %s\n", report.Outcome)
		p.mu.Lock()
		p.plans = nil
		p.mu.Unlock()
	}
	return err
}
