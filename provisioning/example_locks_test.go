package provisioning_test

import (
	"errors"
	"fmt"

	"github.com/usher-go/usher/provisioning"
)

// An edit form asks Locks which fields may be edited, and saves through it, so
// that the next plan knows which values were set by hand. The host holds the
// tenant's lock meanwhile.
func ExampleLocks_Edit() {
	resolver, err := provisioning.New(provisioning.Config{Source: "okta", Domains: provisioning.Domains{Primary: "acme.com"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	team := map[string]provisioning.Member{
		"m1": {ID: "m1", Connection: "okta", ExternalID: "1", Managed: true, Active: true, Email: "ana@acme.com", GivenName: "Ana", FamilyName: "Young", AssignmentID: "default"},
		"m2": {ID: "m2", Connection: "okta", ExternalID: "2", Managed: true, Active: true, Email: "bo@acme.com", GivenName: "Bo", FamilyName: "Li", AssignmentID: "default", ManagerID: "m1"},
	}
	locks, ana := resolver.Locks(), team["m1"]

	_, err = locks.Edit(ana, provisioning.FieldTitle, "Queen") // the source owns it
	fmt.Println(err)
	_, err = locks.Edit(ana, provisioning.FieldTimeZone, "Europe/Pariss")
	fmt.Println(err)

	ana, err = locks.Edit(ana, provisioning.FieldPhone, "+33 1 23 45 67 89") // the source has no value for it
	fmt.Println(ana.Phone, err)
	_, err = locks.Edit(ana, provisioning.FieldPhone, "+33 1 99 99 99 99") // it can be set by hand only once
	var locked *provisioning.LockError
	fmt.Println(errors.As(err, &locked), locked.Reason.Text())

	// EditManager checks everybody above the manager: Bo reports to Ana.
	lookup := func(id string) (provisioning.Member, bool) { m, ok := team[id]; return m, ok }
	_, err = locks.EditManager(ana, "m2", lookup)
	fmt.Println(err)

	// A member who is switched off by hand is no longer recorded, and their
	// sessions end.
	off, err := locks.Edit(ana, provisioning.FieldActive, false)
	fmt.Println(locks.Effects(ana, off)[0].Kind, err)
	// Output:
	// provisioning: title is locked: lock.source_owned (field: title)
	// provisioning: timezone: want a TZ database name such as Europe/Paris
	// +33 1 23 45 67 89 <nil>
	// true The field was set by hand once already. (field: phone)
	// provisioning: manager_id: want somebody who does not report to the member
	// access_ended <nil>
}
