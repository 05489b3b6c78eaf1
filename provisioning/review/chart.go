package review

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"path"
	"slices"
	"strings"

	"github.com/usher-go/usher/hierarchy"
	"github.com/usher-go/usher/provisioning"
	"github.com/usher-go/usher/provisioning/syncer"
)

const (
	chartLevels = 3   // levels that a page draws; deeper levels are folded
	chartRows   = 400 // people that a page draws
	maxFound    = 50  // people that a search lists
)

// chartPage is the content of the page of the org chart.
type chartPage struct {
	Connection, Hash string
	After            bool // the chart shows the state after the plan
	People, Moves    int
	At               string // the ID of the person at the top of the drawing, or ""
	AtName           string
	Up               []place // the managers above that person, the topmost first
	Query            string
	Found            []place
	More             int // number of people found but not listed
	Drawing          template.HTML
	Access           Access
}

type place struct{ Name, URL string }

// A team is the org chart of a connection, including the hand-made members.
type team struct {
	connection, hash string
	after            bool
	ids, names       []string
	search           []string
	at               map[string]int // index by member ID
	chart            *hierarchy.Chart
	moves            int
}

// teamChart reads the team and builds its chart, in its present state or in the
// state after a plan.
func (q *request) teamChart() (*team, error) {
	t := &team{connection: q.r.FormValue("connection"), hash: q.r.FormValue("hash"), at: make(map[string]int)}
	changed := make(map[string]*provisioning.Member)
	var created []provisioning.Member
	if t.hash != "" {
		v, err := q.plan()
		if err != nil {
			return nil, err
		}
		t.connection = v.plan.Connection
		if t.after = q.r.FormValue("when") != "before"; t.after {
			for i := range v.plan.Actions {
				a := &v.plan.Actions[i]
				changed[a.Member.ID] = &a.Member
				if a.Kind == provisioning.KindCreate {
					created = append(created, a.Member)
				}
			}
		}
	}
	target, err := q.targetOf(t.connection)
	if err != nil {
		return nil, err
	}
	t.connection = target.Connection
	var people []hierarchy.Person
	add := func(m *provisioning.Member, current string) {
		t.at[m.ID] = len(people)
		t.ids = append(t.ids, m.ID)
		p := hierarchy.Person{
			Key: m.ID, ID: m.ID, Current: current, Active: m.Active, Email: m.Email, GivenName: m.GivenName, FamilyName: m.FamilyName,
		}
		if m.ManagerID != current && m.ManagerID != "" {
			p.Follow, p.IDFirst, p.Manager = true, true, &hierarchy.Keys{ID: m.ManagerID}
			t.moves++
		}
		t.names = append(t.names, shown(cmp.Or(m.Name(), m.Email, m.ID)))
		t.search = append(t.search, searchable(m.Name(), m.Email, m.ID))
		people = append(people, p)
	}
	if err := q.eachMember(target, func(m *provisioning.Member) {
		current := m.ManagerID
		if next := changed[m.ID]; next != nil {
			m = next // already without hidden fields
		}
		add(m, current)
	}); err != nil {
		return nil, err
	}
	for i := range created {
		if _, known := t.at[created[i].ID]; !known {
			add(&created[i], "")
		}
	}
	t.chart = hierarchy.Build(people)
	return t, nil
}

// eachMember calls do for the members of a connection and for the hand-made
// ones, without the fields that the viewer may not see.
func (q *request) eachMember(target syncer.Target, do func(*provisioning.Member)) error {
	for m, err := range q.cfg.Store.Members(q.ctx, target.Tenant) {
		if err != nil {
			return fmt.Errorf("team: %w", err)
		}
		if m.Connection != "" && m.Connection != target.Connection {
			continue
		}
		m = q.access.Hide.Member(m)
		do(&m)
	}
	return nil
}

// link returns the URL of the chart below a person.
func (t *team) link(person int) string { return t.url("chart", t.ids[person]) }

func (t *team) url(page, at string) string {
	when := ""
	if t.hash != "" && !t.after {
		when = "before"
	}
	return query(page, "connection", t.connection, "hash", t.hash, "when", when, "at", at)
}

// chartFrom builds the chart and returns the people at whom the drawing begins:
// the person in the request, or everybody at the top.
func (q *request) chartFrom() (t *team, from []int, err error) {
	if t, err = q.teamChart(); err != nil {
		return nil, nil, err
	}
	at := q.r.FormValue("at")
	if at == "" {
		return t, nil, nil
	}
	person, known := t.at[at]
	if !known {
		return nil, nil, errNotFound
	}
	return t, []int{person}, nil
}

func (q *request) showChart() error {
	t, from, err := q.chartFrom()
	if err != nil {
		return err
	}
	data := chartPage{
		Access:     q.access,
		Connection: t.connection, Hash: t.hash, After: t.after, People: len(t.ids), Moves: t.moves,
		Query: typed(q.r.FormValue("q")),
	}
	if from != nil {
		data.At, data.AtName = t.ids[from[0]], t.names[from[0]]
		for above := range t.chart.Chain(from[0]) {
			data.Up = append([]place{{t.names[above], t.link(above)}}, data.Up...)
			if len(data.Up) == 20 {
				break
			}
		}
	}
	if data.Query != "" {
		for i := range t.search {
			if !strings.Contains(t.search[i], strings.ToLower(data.Query)) {
				continue
			}
			data.Found = append(data.Found, place{t.names[i], t.link(i)})
		}
		slices.SortFunc(data.Found, func(a, b place) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.URL, b.URL)) })
		data.More = max(0, len(data.Found)-maxFound)
		data.Found = data.Found[:len(data.Found)-data.More]
	}
	var b bytes.Buffer
	how := hierarchy.SVG{Levels: chartLevels, Rows: chartRows, Link: t.link, Title: "Org chart of " + t.connection}
	if err := t.chart.SVG(&b, how, from...); err != nil {
		return err
	}
	data.Drawing = template.HTML(b.String()) //nolint:gosec // Chart.SVG escapes every name
	return q.page.show("chart", data)
}

// chartFile writes the whole chart, or the part below a person, as a file.
func (q *request) chartFile() error {
	t, from, err := q.chartFrom()
	if err != nil {
		return err
	}
	name := "chart-" + t.connection
	switch path.Ext(q.r.URL.Path) {
	case ".svg":
		return t.chart.SVG(q.file("image/svg+xml", name+".svg"), hierarchy.SVG{Title: "Org chart of " + t.connection}, from...)
	case ".dot":
		return t.chart.DOT(q.file("text/vnd.graphviz; charset=utf-8", name+".dot"), from...)
	}
	return t.chart.Mermaid(q.file("text/plain; charset=utf-8", name+".mmd"), from...)
}
