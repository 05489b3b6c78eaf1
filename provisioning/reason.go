package provisioning

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usher-go/usher/hierarchy"
	"github.com/usher-go/usher/internal/text"
	"github.com/usher-go/usher/timezone"
)

// A Code is a stable name of a reason: lower-case words joined by underscores, with
// one dot between family and name. Codes are for explanations and counts. No code
// of the library decides by them.
type Code string

// The codes of this package. Further codes come from the packages timezone (tz.*)
// and hierarchy (hierarchy.*) and from a PhoneNormalizer (phone.*). Two codes end
// with a name: seat.missing:<seat> and breaker.<class>.
const (
	// Matching users with members.
	CodeMatchNew         Code = "match.new"                   // nobody in the team is this person
	CodeMatchAdopt       Code = "match.adopt_email"           // a hand-made member has the address and comes under the source (S3)
	CodeMatchRehire      Code = "match.rehire"                // a former member comes back under a new identity (S4)
	CodeMatchRecycled    Code = "match.recycled_address"      // the address of a former member, under another name (S4)
	CodeMatchMigrate     Code = "match.migrate_connection"    // claimed from Config.MigrateFrom (A22)
	CodeUnclaimed        Code = "migration.unclaimed_members" // not claimed yet
	CodeRetired          Code = "connection.retired"          // the connection is given up
	CodeAdoptConverted   Code = "adopt.converted_address"
	CodeEmailTaken       Code = "email.taken"
	CodeEmailDuplicate   Code = "email.duplicate_in_source"
	CodeEmailCollision   Code = "email.converted_collision"
	CodeInconsistentUser Code = "snapshot.inconsistent_user" // one ID for two different people (S5)
	CodeMissingID        Code = "snapshot.missing_id"        // without an ID nobody can be linked (S1)
	CodeMalformedID      Code = "snapshot.malformed_id"      // an ID that a database cannot store
	CodeDuplicateLink    Code = "match.duplicate_link"       // two members have the same ID
	CodeOtherConnection  Code = "snapshot.other_connection"  // the snapshot is of another directory than the config's

	// Eligibility.
	CodeIneligibleInactive Code = "ineligible.inactive" // R38
	CodeIneligibleName     Code = "ineligible.name"     // R39, S9
	CodeIneligibleEmail    Code = "ineligible.email"    // not exactly one usable address (S7)
	CodeIneligibleDomain   Code = "ineligible.domain"   // R40 to R43
	CodeDomainConverted    Code = "domain.converted"    // R44
	CodeGrandfathered      Code = "domain.grandfathered"
	CodeAddressKept        Code = "domain.address_kept" // the source has an address of another domain; the member keeps the old one
	CodeScopeUnmatched     Code = "scope.unmatched"     // matches no filter (S17)
	CodeScopeAbsent        Code = "scope.absent"        // not listed by a complete snapshot

	// Facts from the source.
	CodeSourceActive      Code = "source.active"
	CodeSourceInactive    Code = "source.inactive"
	CodeSourceStaged      Code = "source.staged"         // S10
	CodeSourceStatus      Code = "source.status_unknown" // the source gave no status
	CodeRequiredMissing   Code = "source.required_missing"
	CodeEmptyNotValue     Code = "source.empty_not_a_value"
	CodeSourceValue       Code = "source.value"    // the field follows the source (R12)
	CodeOwnershipMoved    Code = "ownership.moved" // the source gives the value that the field already has, and owns it from now on (R70)
	CodeUnmapped          Code = "source.unmapped" // the config no longer maps the attribute (S35)
	CodeLocaleUnknown     Code = "locale.unknown"  // not a locale; the default is used
	CodeAbsenceIncomplete Code = "absence.snapshot_incomplete"
	CodeEvidence          Code = "evidence.incomplete" // the snapshot lacks the facts that decide (S44)
	CodeUnknownGroup      Code = "groups.unknown"      // S21

	// Protections and waiting.
	CodeKeepActive      Code = "keep_active.access_risk"
	CodeProtected       Code = "protected.member"
	CodeKeepLast        Code = "keep.last"              // too few members would be left with a role of Config.Keep (S43)
	CodeRemovedByHand   Code = "active.removed_by_hand" // somebody removed the member by hand (R35)
	CodePlanChanged     Code = "approval.plan_changed"
	CodeSuperseded      Code = "plan.superseded"
	CodeSeatExhausted   Code = "seat.pool_exhausted"
	CodeAssignmentMatch Code = "assignment.first_match"
	CodeAssignmentElse  Code = "assignment.default"
	CodeFollows         Code = "settings.follow_assignment"
	CodeManualKeeps     Code = "settings.manual_keeps"
	CodeWaitForGroup    Code = "settings.wait_for_group" // the person came before the group (S40)
	CodeSwitched        Code = "mode.switched_to_automatic"
	CodeOverwrites      Code = "overwrites.manual_edit"
	CodeCaptureOff      Code = "capture.off_with_access" // a deactivation switches capture off (R18)
	CodeCaptureLeftOff  Code = "capture.left_off_after_reactivation"

	// The org chart.
	CodeManagerSet      Code = "hierarchy.manager" // placed under the manager whom the source names
	CodeManualNeeded    Code = "hierarchy.manual_needed"
	CodeIgnored         Code = "hierarchy.ignored"
	CodeManagerUnproven Code = "hierarchy.snapshot_incomplete"
	CodeNoManagerKey    Code = "hierarchy.no_manager_key" // from here on: the findings of package hierarchy
	CodeManagerNotFound Code = "hierarchy.manager_not_found"
	CodeManagerInactive Code = "hierarchy.manager_inactive"
	CodeAmbiguousName   Code = "hierarchy.ambiguous_name"
	CodeAmbiguousEmail  Code = "hierarchy.ambiguous_email"
	CodeAmbiguousID     Code = "hierarchy.ambiguous_id"
	CodeKeysDiffer      Code = "hierarchy.keys_differ"
	CodeCycle           Code = "hierarchy.cycle"

	// Time zones, beside the notes of package timezone.
	CodeZoneGiven       Code = "tz.from_zone"
	CodeZoneFromCountry Code = "tz.from_country"
	CodeZoneFromState   Code = "tz.from_state"
	CodeZoneFromDefault Code = "tz.from_default"

	// Phone numbers, beside what a PhoneNormalizer reports.
	CodePhoneUnparsed  Code = "phone.unparsed"
	CodePhoneFieldWins Code = "phone.ext_field_wins"

	// Signing in (S42).
	CodeSignInAllowed     Code = "sign_in.allowed"
	CodeSignInDeactivated Code = "sign_in.deactivated"
	CodeSignInHeld        Code = "sign_in.held"            // an action that would give access waits for an approval
	CodeSignInUnknown     Code = "sign_in.not_provisioned" // nobody in the team is this person
	CodeSignInAmbiguous   Code = "sign_in.ambiguous"       // several members have the subject

	// Locks.
	CodeLockSource       Code = "lock.source_owned"
	CodeLockSetOnce      Code = "lock.set_once_used"
	CodeLockAutomatic    Code = "lock.automatic_settings"
	CodeManagerNotDirect Code = "capture.manager_not_direct"
	CodeToggleOff        Code = "capture.toggle_off"
	CodeCaptureNoAccess  Code = "capture.no_access" // capture is off as long as the member has no access (R18)
)

// The families of codes that end with a name: breaker.<class> and
// seat.missing:<seat>.
const (
	CodeFamilyBreaker     = "breaker."
	CodeFamilySeatMissing = "seat.missing:"
)

// A Reason is a stable code with its facts. Facts never hold secrets.
type Reason struct {
	Code  Code              `json:"code"`
	Facts map[string]string `json:"facts,omitempty"`
}

// line returns the code in a form that may be printed: the host chooses the names
// of seats.
func (c Code) line() string { return text.Line(string(c)) }

// because returns a reason. facts are alternating names and values; characters that
// a database cannot store are removed.
func because(code Code, facts ...string) Reason {
	r := Reason{Code: code}
	for i := 0; i+1 < len(facts); i += 2 {
		value := text.Clean(facts[i+1])
		if value == "" {
			continue
		}
		if r.Facts == nil {
			r.Facts = make(map[string]string, len(facts)/2)
		}
		r.Facts[facts[i]] = value
	}
	return r
}

// factColumns is the number of columns after which String cuts a fact.
const factColumns = 300

// String returns the code and the facts: "assignment.first_match (assignment:
// Sales)". Long facts are cut.
func (r Reason) String() string { return r.spell(factColumns) }

// spell is String with facts that are cut after so many columns.
func (r Reason) spell(columns int) string {
	if len(r.Facts) == 0 {
		return r.Code.line()
	}
	var b strings.Builder
	b.WriteString(r.Code.line())
	separator := " ("
	for _, name := range slices.Sorted(maps.Keys(r.Facts)) {
		fmt.Fprintf(&b, "%s%s: %s", separator, name, text.Cut(text.Line(r.Facts[name]), columns))
		separator = ", "
	}
	b.WriteString(")")
	return b.String()
}

// Text returns the reason as a sentence for people. For a code without a sentence
// it returns String.
func (r Reason) Text() string {
	code := string(r.Code)
	if seat, ok := strings.CutPrefix(code, CodeFamilySeatMissing); ok {
		return "Lacks the seat " + text.Line(seat) + ": a setting that needs it waits."
	}
	if class, ok := strings.CutPrefix(code, CodeFamilyBreaker); ok {
		if r.Facts["snapshot"] != "" {
			return "The snapshot has nobody in it, so this (" + class + ") waits for an approval whatever the limit is."
		}
		if r.Facts["connection"] != "" {
			return "The connection is given up, so this (" + class + ") waits for an approval, however few people there are."
		}
		if r.Facts["tripped"] != "" {
			return "More people than the limit allows would have changed (" + class + ") before; until that is settled, this waits as well."
		}
		if class == ClassIdentity.String() {
			return "Somebody of another name gets a former member's record, so this waits for an approval."
		}
		return "More people than the limit allows would change at once (" + class + "), so this waits for an approval."
	}
	sentence, ok := codeTexts[r.Code]
	if !ok {
		return r.String()
	}
	return sentence + strings.TrimPrefix(r.String(), code)
}

// Cause is Text without the facts of the single person: it is equal for people who
// are held or left out for the same cause.
func (r Reason) Cause() string {
	if sentence, ok := codeTexts[r.Code]; ok {
		return sentence
	}
	return r.Text()
}

var codeTexts = map[Code]string{
	CodeMatchNew:                         "Nobody in the team is this person yet.",
	CodeMatchAdopt:                       "A member made by hand has exactly this address, and is adopted.",
	CodeMatchRehire:                      "A former member came back under a new identity.",
	CodeMatchRecycled:                    "The record belonged to somebody of another name; somebody has to say whether it is the same person.",
	CodeMatchMigrate:                     "The member belongs to the connection from which this one takes over, and has exactly this address.",
	CodeUnclaimed:                        "Belongs to the connection that is migrated from, and nobody of the new one has this address.",
	CodeRetired:                          "The connection is given up, and nobody else answers for this person.",
	CodeAdoptConverted:                   "Only the converted address matches a member made by hand, which is not proof enough.",
	CodeEmailTaken:                       "Another member keeps this address.",
	CodeEmailDuplicate:                   "Two people of the source have this address.",
	CodeEmailCollision:                   "The converted address is somebody else's as well.",
	CodeInconsistentUser:                 "The source lists one id twice and differently.",
	CodeMalformedID:                      "The id has characters that no database keeps.",
	CodeAddressKept:                      "The source's address is of another domain; the member keeps the company's.",
	CodeSuperseded:                       "A newer plan of the connection has taken this one's place.",
	CodeMissingID:                        "The source gave no id, so nobody could be told from anybody else.",
	CodeDuplicateLink:                    "Two members are linked to one id of the source; the first is kept.",
	CodeOtherConnection:                  "The snapshot is of another directory than the config's.",
	CodeIneligibleInactive:               "Inactive in the source, so never brought in.",
	CodeIneligibleName:                   "A first and a last name are required.",
	CodeIneligibleEmail:                  "An email address with exactly one usable domain is required.",
	CodeIneligibleDomain:                 "The address is of none of the company's domains.",
	CodeDomainConverted:                  "The address was given the company's primary domain.",
	CodeGrandfathered:                    "The address is of none of the company's domains; people who are in stay in.",
	CodeScopeUnmatched:                   "Matches none of the assignments' filters.",
	CodeScopeAbsent:                      "Not in the source any more; its listing was complete.",
	CodeSourceActive:                     "Active in the source.",
	CodeSourceInactive:                   "Deactivated in the source.",
	CodeSourceStaged:                     "Not activated in the source yet, which is neither active nor deactivated.",
	CodeSourceStatus:                     "The source does not say whether this person is active.",
	CodeRequiredMissing:                  "The source lost a required value; the last one is kept.",
	CodeEmptyNotValue:                    "The source leaves this empty, which is not a value; what was there is kept.",
	CodeSourceValue:                      "The source has another value.",
	CodeOwnershipMoved:                   "The source gives the value that is there, so the field follows it from now on.",
	CodeUnmapped:                         "The config carries this attribute over no longer; its value stays.",
	CodeLocaleUnknown:                    "The source's locale is not of the form en-US.",
	CodeAbsenceIncomplete:                "The listing was not proved complete, so a person who is not in it may still be in the directory.",
	CodeEvidence:                         "The snapshot lacks what decides this, so nothing is given and nothing taken.",
	CodeUnknownGroup:                     "No group of the source has this id, so the assignment matches nobody by it.",
	CodeKeepActive:                       "Should leave, and stays active because of an option that is not recommended.",
	CodeProtected:                        "The application protects this member, so this is not done.",
	CodeKeepLast:                         "Too few would be left who have this role, so nobody who has it leaves or loses it.",
	CodeRemovedByHand:                    "Active in the source, and deactivated by hand in the application.",
	CodePlanChanged:                      "The approval is for another plan.",
	CodeSeatExhausted:                    "No seat is left in the pool.",
	CodeAssignmentMatch:                  "The uppermost assignment that matches.",
	CodeAssignmentElse:                   "Matches no assignment, so the default governs.",
	CodeFollows:                          "The assignment is automatic: settings follow it.",
	CodeManualKeeps:                      "The assignment is manual: settings stay as they are.",
	CodeWaitForGroup:                     "No group has come for this person yet, so the settings stay as they are until one comes.",
	CodeSwitched:                         "The person's settings came under an automatic assignment.",
	CodeOverwrites:                       "A value that was edited by hand is overwritten.",
	CodeCaptureOff:                       "Capture is turned off together with the access.",
	CodeCaptureLeftOff:                   "The assignment is manual, so capture stays off after the return.",
	CodeManagerSet:                       "Placed under the manager whom the source names.",
	CodeManualNeeded:                     "The manager has to be set by hand.",
	CodeIgnored:                          "The org chart does not follow the source.",
	CodeManagerUnproven:                  "Managers were not proved complete; edges are kept.",
	CodeSignInAllowed:                    "An active member.",
	CodeSignInDeactivated:                "The access of this person has ended.",
	CodeSignInHeld:                       "What would give this person access waits for an approval.",
	CodeSignInUnknown:                    "Nobody in the team is this person.",
	CodeSignInAmbiguous:                  "Several members have this subject.",
	CodeLockSource:                       "The source owns this field.",
	CodeLockSetOnce:                      "The field was set by hand once already.",
	CodeLockAutomatic:                    "The assignment is automatic, so its settings are not edited by hand.",
	CodeManagerNotDirect:                 "Only the direct manager may do this.",
	CodeToggleOff:                        "Managers may not switch capture in this company.",
	CodeCaptureNoAccess:                  "The member has no access, so capture is off.",
	CodeNoManagerKey:                     "The source names no manager.",
	CodeManagerNotFound:                  "The manager whom the source names is not in the team.",
	CodeAmbiguousName:                    "Several people have the manager's name.",
	CodeAmbiguousEmail:                   "Several people have the manager's address.",
	CodeAmbiguousID:                      "Several people have the manager's id.",
	CodeManagerInactive:                  "The manager is not active.",
	CodeKeysDiffer:                       "The source's keys for the manager name different people; the strongest decides.",
	CodeCycle:                            "The edge would close a circle of managers.",
	Code(timezone.NoteOffsetUnsupported): "An offset is not a time zone.",
	Code(timezone.NoteUnknownName):       "The time zone is not in the TZ database.",
	Code(timezone.NoteUnknownCountry):    "The country is not known.",
	Code(timezone.NoteUnknownState):      "The state is not known in the country.",
	Code(timezone.NoteCountryHasMany):    "The country has several zones and no usable state was given.",
	Code(timezone.NoteCountryPrimary):    "The country has several zones, of which this is the primary one.",
	Code(timezone.NoteCountryNoZone):     "No time zone is known for the country.",
	Code(timezone.NoteAbbreviation):      "The time zone is an abbreviation, which stands for a fixed offset without daylight saving time.",
	Code(hierarchy.ManagerOpen.String()): "Whether the manager comes in or stays is not known yet, so the edge is kept.",
	CodePhoneUnparsed:                    "The phone number was kept as it is.",
	CodePhoneFieldWins:                   "The extension field wins over the one in the number.",
	CodeZoneGiven:                        "The time zone the source gives.",
	CodeZoneFromCountry:                  "The time zone of the country.",
	CodeZoneFromState:                    "The time zone of the state.",
	CodeZoneFromDefault:                  "The company's default time zone.",
	Code(timezone.NoteStateMajority):     "Most people of that state live in this zone.",
}
