package hierarchy_test

import (
	"fmt"
	"os"

	"github.com/usher-go/usher/hierarchy"
)

func ExampleBuild() {
	people := []hierarchy.Person{
		{Key: "m1", Email: "ana@acme.com", GivenName: "Ana", FamilyName: "Ruiz", Active: true, Follow: true},
		{Key: "m2", Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Lind", Active: true, Follow: true, Current: "m1",
			Manager: &hierarchy.Keys{Email: "Ana@Acme.com"}},
		{Key: "m3", Email: "cy@acme.com", GivenName: "Cy", FamilyName: "Park", Active: true, Follow: true, Current: "m1",
			Manager: &hierarchy.Keys{Name: "bo lind"}},
		{Key: "m4", Email: "di@acme.com", GivenName: "Di", FamilyName: "Roy", Active: true, Follow: true, Current: "m3",
			Manager: &hierarchy.Keys{Email: "gone@acme.com", Name: "Bo Lind"}},
	}
	chart := hierarchy.Build(people)
	for i, p := range people {
		manager := "nobody"
		if m := chart.Manager(i); m != hierarchy.None {
			manager = people[m].GivenName
		}
		fmt.Printf("%s reports to %s, changed: %t, finding: %q\n", p.GivenName, manager, chart.Changed(i), chart.Finding(i))
	}
	// Output:
	// Ana reports to nobody, changed: false, finding: "hierarchy.no_manager_key"
	// Bo reports to Ana, changed: false, finding: ""
	// Cy reports to Bo, changed: true, finding: ""
	// Di reports to Cy, changed: false, finding: "hierarchy.manager_not_found"
}

func ExampleChart_Text() {
	chart := hierarchy.Build([]hierarchy.Person{
		{Key: "m1", GivenName: "Ana", FamilyName: "Ruiz"},
		{Key: "m2", GivenName: "Bo", FamilyName: "Lind", Current: "m1"},
		{Key: "m3", GivenName: "Cy", FamilyName: "Park", Current: "m2"},
		{Key: "m4", GivenName: "Di", FamilyName: "Roy", Current: "m1"},
	})
	if err := chart.Text(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Ana Ruiz
	//   Bo Lind
	//     Cy Park
	//   Di Roy
}

func ExampleChart_AllReports() {
	people := []hierarchy.Person{
		{Key: "m1", GivenName: "Ana"},
		{Key: "m2", GivenName: "Bo", Current: "m1"},
		{Key: "m3", GivenName: "Cy", Current: "m2"},
		{Key: "m4", GivenName: "Di"},
	}
	for i := range hierarchy.Build(people).AllReports(0) {
		fmt.Println(people[i].GivenName)
	}
	// Output:
	// Bo
	// Cy
}

func ExampleChart_Mermaid() {
	chart := hierarchy.Build([]hierarchy.Person{
		{Key: "m1", GivenName: "Ana", FamilyName: "Ruiz", Active: true},
		{Key: "m2", GivenName: "Bo", FamilyName: "Lind", Active: true, Current: "m1"},
	})
	if err := chart.Mermaid(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// flowchart TD
	//   classDef inactive stroke-dasharray: 4
	//   n0["Ana Ruiz"]
	//   n1["Bo Lind"]
	//   n0 --> n1
}
