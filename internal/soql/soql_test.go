package soql

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The left form is the text of an admin, the right one is the text that is
// sent. Most are filters of the kinds that Salesforce's SOQL reference shows.
var accepted = map[string]string{
	`IsActive=true AND UserType='Standard'`:           `IsActive = TRUE AND UserType = 'Standard'`,
	` profile.Name in ( 'Sales' ,'Support')`:          `profile.Name IN ('Sales', 'Support')`,
	`Profile.UserLicense.LicenseDefinitionKey='SFDC'`: `Profile.UserLicense.LicenseDefinitionKey = 'SFDC'`,
	`UserRole.DeveloperName LIKE 'Sales\_%'`:          `UserRole.DeveloperName LIKE 'Sales\_%'`,
	`Region__c <> null`:                               `Region__c != NULL`,
	`(((Department='R&D')))`:                          `Department = 'R&D'`,
	`NOT Title LIKE '%intern%'`:                       `NOT Title LIKE '%intern%'`,
	`not (Title = 'a' or Title = 'b') and Id != null`: `(NOT (Title = 'a' OR Title = 'b')) AND Id != NULL`,
	`NOT NOT A__c = 1`:                                `NOT (NOT A__c = 1)`,
	`(a = 1 AND b = 2) OR (c = 3 AND (d = 4))`:        `(a = 1 AND b = 2) OR (c = 3 AND d = 4)`,
	`Skills__c INCLUDES ('A;B','C')`:                  `Skills__c INCLUDES ('A;B', 'C')`,
	`Skills__c excludes ('A')`:                        `Skills__c EXCLUDES ('A')`,
	`Id NOT IN ('005000000000001')`:                   `Id NOT IN ('005000000000001')`,
	`LastLoginDate = last_n_days:90`:                  `LastLoginDate = LAST_N_DAYS:90`,
	`CreatedDate >= 2024-01-01T00:00:00Z AND CreatedDate < 2024-02-29T10:00:00.5+05:30`: `CreatedDate >= 2024-01-01T00:00:00Z AND CreatedDate < 2024-02-29T10:00:00.5+05:30`,
	`Start__c > 2024-02-29 AND Start__c <= THIS_FISCAL_QUARTER`:                         `Start__c > 2024-02-29 AND Start__c <= THIS_FISCAL_QUARTER`,
	`Level__c > -1.50`:                      `Level__c > -1.50`,
	`Group.DeveloperName = 'a'`:             `Group.DeveloperName = 'a'`,
	`LastName = 'O\'Brien'`:                 `LastName = 'O\'Brien'`,
	`LastName = 'O\u0027Brien\u005c'`:       `LastName = 'O\'Brien\\'`,
	`LastName = '\u0001\uD83D\uDE00\"é'`:    `LastName = '\u0001😀"é'`,
	`Title = ') OR (Id != null -- /* ; :x'`: `Title = ') OR (Id != null -- /* ; :x'`,
	`Title = ''`:                            `Title = ''`,
	"Title\n=\t'a\\nb'":                     `Title = 'a\nb'`,
	`Id IN (select AssigneeId from PermissionSetAssignment where PermissionSet.Name='X')`:                                                         `Id IN (SELECT AssigneeId FROM PermissionSetAssignment WHERE PermissionSet.Name = 'X')`,
	`Id NOT IN (SELECT UserId FROM UserLogin WHERE IsFrozen = true OR IsPasswordLocked = true) AND Id IN (SELECT UserOrGroupId FROM GroupMember)`: `Id NOT IN (SELECT UserId FROM UserLogin WHERE IsFrozen = TRUE OR IsPasswordLocked = TRUE) AND Id IN (SELECT UserOrGroupId FROM GroupMember)`,
	`(Id IN (SELECT UserId FROM UserLogin)) AND (a = 1 OR b = 2)`:                                                                                 `Id IN (SELECT UserId FROM UserLogin) AND (a = 1 OR b = 2)`,
	// A semi-join is written outside parentheses, at any depth among ANDs.
	`(a = 1 AND (b = 2 AND (Id IN (SELECT UserId FROM UserLogin) AND c = 3)))`: `a = 1 AND b = 2 AND Id IN (SELECT UserId FROM UserLogin) AND c = 3`,
	`a = 1 OR (b = 2 OR (c = 3))`: `a = 1 OR b = 2 OR c = 3`,
	// Objects to which the user refers, custom ones, and aliases.
	`ProfileId IN (SELECT Id FROM Profile WHERE Name = 'System Administrator')`:                              `ProfileId IN (SELECT Id FROM Profile WHERE Name = 'System Administrator')`,
	`UserRoleId IN (SELECT Id FROM UserRole WHERE Name LIKE '%Solution%')`:                                   `UserRoleId IN (SELECT Id FROM UserRole WHERE Name LIKE '%Solution%')`,
	`Id IN (SELECT Member__c FROM Team__c t WHERE t.Lead__r.Email = 'x' AND CALENDAR_YEAR(Start__c) = 2024)`: `Id IN (SELECT Member__c FROM Team__c t WHERE t.Lead__r.Email = 'x' AND CALENDAR_YEAR(Start__c) = 2024)`,
	`Region__c NOT IN (SELECT Id FROM Region__c)`:                                                            `Region__c NOT IN (SELECT Id FROM Region__c)`,
	`Id IN (SELECT OwnerId FROM Group)`:                                                                      `Id IN (SELECT OwnerId FROM Group)`,
	`Id IN (SELECT UserId FROM UserLogin WHERE User.Name = 'x')`:                                             `Id IN (SELECT UserId FROM UserLogin WHERE User.Name = 'x')`,
	// The object's own name.
	`User.IsActive = true AND user.Profile.Name != 'x' AND UserRole.Name = 'y'`: `IsActive = TRUE AND Profile.Name != 'x' AND UserRole.Name = 'y'`,
	// Functions that the SOQL reference has for WHERE.
	`calendar_year(CreatedDate)=2024 AND DAY_ONLY( convertTimezone ( CreatedDate ) ) > 2024-01-31`: `CALENDAR_YEAR(CreatedDate) = 2024 AND DAY_ONLY(convertTimezone(CreatedDate)) > 2024-01-31`,
	`tolabel(UserRole.Name) LIKE 'Vertrieb%'`:                                                      `toLabel(UserRole.Name) LIKE 'Vertrieb%'`,
	`DISTANCE(Address, geolocation(37.775,-122.418), 'mi') < 20`:                                   `DISTANCE(Address, GEOLOCATION(37.775, -122.418), 'mi') < 20`,
	`DISTANCE(Home__c, Work__c, 'k\'m') < .5`:                                                      `DISTANCE(Home__c, Work__c, 'k\'m') < .5`,
	`WEEK_IN_YEAR(CreatedDate) IN (1, 2) AND NOT (FISCAL_QUARTER(CreatedDate) = 1)`:                `WEEK_IN_YEAR(CreatedDate) IN (1, 2) AND (NOT FISCAL_QUARTER(CreatedDate) = 1)`,
	// Values of every kind.
	`Quota__c > USD5000 AND Quota__c <= eur1000.50 AND Level__c < 1.5e3 AND Level__c > +.5`: `Quota__c > USD5000 AND Quota__c <= eur1000.50 AND Level__c < 1.5e3 AND Level__c > +.5`,
	`Hire__c <= NEXT_N_DAYS: 21 AND a = last_n_weeks : +3 AND b = N_MONTHS_AGO:-2`:          `Hire__c <= NEXT_N_DAYS:21 AND a = LAST_N_WEEKS:3 AND b = N_MONTHS_AGO:-2`,
	`a = N_FISCAL_QUARTERS_AGO:3 OR a = LAST_90_DAYS`:                                       `a = N_FISCAL_QUARTERS_AGO:3 OR a = LAST_90_DAYS`,
	`Shift__c >= 09:00:00Z AND Shift__c < 17:30:00.000Z`:                                    `Shift__c >= 09:00:00Z AND Shift__c < 17:30:00.000Z`,
	`CreatedDate > 2024-01-01T00:00:00+0530 AND CreatedDate < 2024-01-01T00:00:00-08`:       `CreatedDate > 2024-01-01T00:00:00+0530 AND CreatedDate < 2024-01-01T00:00:00-08`,
	`Title = 'a\Nb\Tc'`: `Title = 'a\nb\tc'`,
	`Abc123 = 1`:        `Abc123 = 1`,
	`Department IN (null, 'x') AND Email <> '' AND Email != NULL`: `Department IN (NULL, 'x') AND Email != '' AND Email != NULL`,
}

func TestAccepted(t *testing.T) {
	for text, want := range accepted {
		c, err := Parse(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, c.String())
		again, err := Parse(c.String())
		require.NoError(t, err, want)
		assert.Equal(t, want, again.String(), "what is written is read as the same")
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat("(", maxDepth+1) + "a = 1" + strings.Repeat(")", maxDepth+1)
	for text, want := range map[string]string{
		// Text that is more than a condition.
		`IsActive = true) OR (Id != null`:    "position 16: a closing parenthesis without an opening one",
		`a = 1 LIMIT 1`:                      "position 7: LIMIT starts another part",
		`a = 1 ORDER BY Name`:                "position 7: ORDER starts",
		`a = 1 GROUP BY Name`:                "position 7: GROUP starts",
		`a = 1 HAVING a > 1`:                 "position 7: HAVING starts",
		`a = 1 WITH SECURITY_ENFORCED`:       "position 7: WITH starts",
		`a = 1 OFFSET 5`:                     "position 7: OFFSET starts",
		`a = 1 FOR UPDATE`:                   "position 7: FOR starts",
		`a = 1 ALL ROWS`:                     "position 7: ALL starts",
		`a = 1 UPDATE TRACKING`:              "position 7: UPDATE starts",
		`a = 1 USING SCOPE mine`:             "position 7: USING starts",
		`WHERE a = 1`:                        "position 1: WHERE starts",
		`SELECT Id FROM User WHERE a = 1`:    "position 1: SELECT starts",
		`TYPEOF Owner WHEN User THEN Id END`: "position 1: TYPEOF starts",
		`a = 1 -- all`:                       "position 7: comments",
		`a = 1 /* x */`:                      "position 7: comments",
		`a = 1 // x`:                         "position 7: comments",
		`a = 1; DELETE`:                      "position 6: a semicolon",
		`a = :name`:                          "position 5: bind variables",
		`OwnerId = a:b`:                      "position 11: a is not a value",
		`a = 1 /`:                            "position 7: comments",
		"a = 1 OR\x00 b = 2":                 `position 9: the character '\x00'`,
		// Strings.
		`a = 'x`:        "position 5: a string without its closing quote",
		`a = 'x\'`:      "position 5: a string without",
		`a = "x"`:       "position 5: strings stand in single quotes",
		`a = 'x\q'`:     "position 7: an escape other than",
		`a = 'x\u12'`:   "position 7: an escape other than",
		`a = 'x\u+123'`: "position 7: an escape other than",
		`a = '\uD83D'`:  "position 6: half of a surrogate pair",
		`a = '\u0000'`:  "position 6: the character NUL",
		"a = 'x\ny'":    "position 7: a control character",
		"a = 'x\xff'":   "position 7: the text is not UTF-8",
		`é = 1`:         `position 1: the character 'é'`,
		`a = ’x’`:       `position 5: the character '’' is not allowed outside a string; strings stand in straight single quotes`,
		// Values and operators.
		``:               "position 1: want a field, not the end",
		`a`:              "position 2: want an operator",
		`a =`:            "position 4: want a value, not the end",
		`a == 1`:         "position 4: want a value, not =",
		`a = b`:          "position 5: b is not a value",
		`'x' = a`:        "position 1: want a field, not a string",
		`a LIKE 1`:       "position 8: LIKE takes strings only",
		`a < null`:       "position 5: NULL is neither",
		`a >= true`:      "position 6: TRUE is neither",
		`a INCLUDES (1)`: "position 13: INCLUDES takes strings",
		`a INCLUDES (SELECT UserId FROM UserLogin)`: "position 13: SELECT starts",
		`a IN ()`:                               "position 7: want a value, not )",
		`a IN 'x'`:                              "position 6: want a list in parentheses",
		`a IN ('x'`:                             "position 10: want a closing parenthesis",
		`a NOT LIKE 'x'`:                        "position 7: want IN, not LIKE; write NOT (field LIKE",
		`a IS NULL`:                             "position 3: want an operator, not IS; write = NULL",
		`a = USD100x`:                           "position 5: USD100x is not a value",
		`a = 25:00:00Z`:                         "position 5: there is no such date",
		`a = 2024-13-01`:                        "position 5: there is no such date",
		`a = 2024-01-01T25:00:00Z`:              "position 5: there is no such date",
		`a = 2024-01-01T00:00:00`:               "position 5: not a number",
		`a = 12abc`:                             "position 5: not a number",
		`a = 1.`:                                "position 5: not a number",
		`a = LAST_N_DAYS`:                       "position 5: LAST_N_DAYS wants a number",
		`a = LAST_N_DAYS:x`:                     "position 5: LAST_N_DAYS wants a number",
		`a = LAST_N_DAYS:5x`:                    "position 5: LAST_N_DAYS wants a number",
		`a = LAST_N_DAYS:123456`:                "position 5: LAST_N_DAYS wants a number",
		`a = TODAY:5`:                           "position 10: bind variables",
		`FORMAT(Amount__c) = 'x'`:               "position 1: FORMAT changes what is shown",
		`convertCurrency(a) = 1`:                "position 1: convertCurrency changes what is shown",
		`convertTimezone(a) = 1`:                "position 1: convertTimezone stands inside a date function only",
		`COUNT(Id) > 1`:                         "position 1: this function is about many records",
		`SUBSTRING(a) = 'x'`:                    "position 1: SOQL has no function SUBSTRING",
		`DAY_ONLY(LOWER(a)) = 1`:                "position 15: DAY_ONLY takes a field, or convertTimezone of one",
		`DAY_ONLY() = 1`:                        "position 10: want a field, not )",
		`toLabel(DAY_ONLY(a)) = 1`:              "position 17: want a closing parenthesis",
		`DISTANCE(a, 'mi') < 5`:                 "position 13: want a field",
		`DISTANCE(a, b, mi) < 5`:                "position 16: want a unit in quotes",
		`DISTANCE(a, GEOLOCATION(1), 'mi') < 5`: "position 26: want a comma",
		`User.NULL = 1`:                         "position 1: want a field",
		`a.b.c.d.e.f.g = 1`:                     "position 1: a field has at most 6 names",
		`a. = 1`:                                "position 2: a dot without a name",
		`_a = 1`:                                `position 1: the character '_'`,
		`NULL = 1`:                              "position 1: want a field",
		// Structure.
		`a = 1 AND b = 2 OR c = 3`:             "position 17: AND and OR are mixed",
		`a = 1 b = 2`:                          "position 7: want AND, OR or the end, not b",
		`a = 1 AND`:                            "position 10: want a field, not the end",
		`(a = 1`:                               "position 1: a parenthesis that is never closed",
		`()`:                                   "position 2: want a field, not )",
		`NOT`:                                  "position 4: want a field",
		deep:                                   "nested deeper than 32",
		strings.Repeat("NOT ", 100) + "a = 1":  "nested deeper than 32",
		strings.Repeat("(NOT ", 100) + "a = 1": "nested deeper than 32",
		strings.Repeat("a = 1 AND ", 1000) + "a = 1": "longer than 10000 bytes",
		// Semi-joins.
		`Id IN (SELECT Id FROM User WHERE IsActive = true)`:                                                                      "position 23: SOQL takes no semi-join of User with itself",
		`Id IN (SELECT OwnerId FROM Account.Contacts)`:                                                                           "position 28: want the name of an object",
		`DAY_ONLY(CreatedDate) IN (SELECT Id FROM Account)`:                                                                      "position 1: a semi-join wants a field of the user itself",
		`Id IN (SELECT UserId, Id FROM UserLogin)`:                                                                               "position 21: want FROM",
		`Id IN (SELECT UserId FROM UserLogin LIMIT 5)`:                                                                           "position 37: LIMIT starts",
		`Id IN (SELECT UserId FROM UserLogin WHERE a = 1 ORDER BY b)`:                                                            "position 49: ORDER starts",
		`Id IN (SELECT UserId FROM UserLogin`:                                                                                    "position 36: want a closing parenthesis",
		`Id IN (SELECT UserId FROM UserLogin WHERE UserId IN (SELECT AssigneeId FROM PermissionSetAssignment))`:                  "position 54: a semi-join inside",
		`a = 1 OR Id IN (SELECT UserId FROM UserLogin)`:                                                                          "position 10: SOQL takes no semi-join beside OR",
		`a = 1 OR (b = 1 AND Id IN (SELECT UserId FROM UserLogin))`:                                                              "position 21: SOQL takes no semi-join beside OR",
		`NOT Id IN (SELECT UserId FROM UserLogin)`:                                                                               "position 5: SOQL takes no semi-join under NOT",
		`Name IN (SELECT UserId FROM UserLogin)`:                                                                                 "position 1: a semi-join wants a field",
		`Manager.Id IN (SELECT UserId FROM UserLogin)`:                                                                           "position 1: a semi-join wants a field",
		`Id IN (SELECT UserId FROM UserLogin) AND Id IN (SELECT UserId FROM UserLogin) AND Id IN (SELECT UserId FROM UserLogin)`: "position 83: more than two semi-joins",
	} {
		_, err := Parse(text)
		var refusal *Error
		require.True(t, errors.As(err, &refusal), text)
		assert.Contains(t, err.Error(), want, text)
	}
}

func TestFieldsAndJoins(t *testing.T) {
	c, err := Parse(`NOT (Profile.Name = 'x' AND (a = 1 OR a = 2)) AND Id IN (SELECT UserId FROM UserLogin WHERE b = 1)`)
	require.NoError(t, err)
	assert.Equal(t, []string{"Profile.Name", "a"}, c.Fields())
	assert.Equal(t, 1, c.Joins())
}

func TestAllAndEqual(t *testing.T) {
	parse := func(text string) Condition {
		c, err := Parse(text)
		require.NoError(t, err)
		return c
	}
	join := "Id IN (SELECT UserId FROM UserLogin)"
	all := All(parse("a = 1 OR b = 2"), parse("("+join+" AND (NOT c = 3))"), Equal("Id", `x' OR Id != '\`), parse(join))
	assert.Equal(t, `(a = 1 OR b = 2) AND `+join+` AND (NOT c = 3) AND Id = 'x\' OR Id != \'\\' AND `+join, all.String())
	assert.Equal(t, 2, all.Joins())
	assert.Equal(t, []string{"a", "b", "c", "Id"}, all.Fields())
	assert.Equal(t, all.String(), parse(all.String()).String())
	assert.Equal(t, "a = 1 OR b = 2", All(parse("a = 1 OR b = 2")).String(), "alone, as it is")
}

func TestLongID(t *testing.T) {
	// Both forms of IDs in orgs: the suffix encodes which letters are capitals.
	for short, long := range map[string]string{
		"005Do000000PVvJ": "005Do000000PVvJIAW",
		"005Do000001WSt0": "005Do000001WSt0IAG",
		"00GDo000000JMyq": "00GDo000000JMyqMAG",
		"000000000000000": "000000000000000AAA",
		"ABCDEABCDEABCDE": "ABCDEABCDEABCDE555",
	} {
		assert.Equal(t, long, LongID(short))
		assert.Equal(t, long, LongID(long))
	}
	for _, odd := range []string{"", "005", "005Do000000PVv-", "005Do000000PVvé"} {
		assert.Equal(t, odd, LongID(odd))
	}
}

// A jsonRecord is a record as decoded from JSON.
type jsonRecord map[string]any

// match evaluates a condition for a record.
func match(c Condition, record jsonRecord) (bool, error) {
	p, err := c.Compile()
	if err != nil {
		return false, err
	}
	values := make([]*Value, len(p.Fields()))
	for i, field := range p.Fields() {
		var v Value
		switch given := record[field].(type) {
		case nil:
		case string:
			v = Text(given)
		case json.Number:
			v = Number(given.String())
		case bool:
			v = Bool(given)
		default:
			v = Other()
		}
		values[i] = &v
	}
	return p.Match(values)
}

func TestMatch(t *testing.T) {
	record := jsonRecord{
		"IsActive": true, "Title": "Account Executive", "Level": json.Number("7"), "Nothing": nil, "Blank": "",
		"Skills": "Go;SQL", "Pct": "50% off_x", "Created": "2023-04-28T13:10:51.000+0000", "Day": "2023-04-28",
		"Line": "a\nb'c\\\x01", "ProfileId": "00eDo000000gtbI",
		"Sunday": "2024-12-29T23:30:00.000+0000", "Windows": "/Date(1682687451000)/", "WindowsZone": "/Date(1682687451000+0200)/",
		"Shift": "09:00:00.000Z", "Off": false, "Address": map[string]any{}, "Lookup__c": "00eDo000000gtbIIAQ", "Word__c": "AccountManagers",
		// As a CSV file contains them.
		"TextTrue": "true", "TextOff": "0", "TextNumber": "12.50", "Endless": "Infinity", "Hex": "0x10",
	}
	for text, want := range map[string]bool{
		`IsActive = true`: true, `IsActive != true`: false, `IsActive = false`: false, `IsActive = null`: false,
		`Title = 'account executive'`: true, `Title != 'x'`: true, `Title <> 'ACCOUNT executive'`: false,
		`Title LIKE 'account%'`: true, `Title LIKE '%EXEC%'`: true, `Title LIKE 'account'`: false,
		`Title LIKE '_ccount%e'`: true, `Title LIKE '%x'`: false, `Title LIKE '%'`: true, `Title LIKE ''`: false,
		`Pct LIKE '50\% off\__'`: true, `Pct LIKE '50\%'`: false, `Pct LIKE '%\_y'`: false, `Pct = '50\% off_x'`: true,
		`Title IN ('x', 'Account Executive')`: true, `Title NOT IN ('x')`: true, `Title NOT IN ('account executive')`: false,
		`Title > 'Abc'`: true, `Title < 'abc'`: false, `Title >= 'account executive'`: true,
		`Level = 7`: true, `Level = 7.0`: true, `Level > 6`: true, `Level < 7`: false, `Level <= 7`: true, `Level IN (1, 7)`: true,
		`Nothing = null`: true, `Nothing != null`: false, `Nothing != 'x'`: true, `Nothing = 'x'`: false, `Nothing = ''`: true,
		`Nothing < 5`: false, `Nothing >= 5`: false, `Nothing LIKE '%'`: false, `NOT Nothing LIKE 'x'`: true,
		`Nothing NOT IN ('x')`: true, `Nothing IN (null)`: true, `Blank = null`: true, `Title = ''`: false,
		`Skills INCLUDES ('go')`: true, `Skills INCLUDES ('Go;SQL')`: true, `Skills INCLUDES ('Go;C')`: false,
		`Skills INCLUDES ('C', 'SQL')`: true, `Skills EXCLUDES ('C')`: true, `Skills EXCLUDES ('go')`: false,
		`Nothing EXCLUDES ('C')`: true, `Nothing INCLUDES ('C')`: false,
		`Created > 2023-04-28T13:10:50Z`: true, `Created = 2023-04-28T15:10:51+02:00`: true, `Created < 2023-04-28T13:10:51Z`: false,
		`Day = 2023-04-28`: true, `Day > 2023-04-28`: false, `Day >= 2023-01-01 AND Day < 2024-01-01`: true,
		`ProfileId = '00eDo000000gtbIIAQ'`: true, `ProfileId = '00eDo000000gtbI'`: true, `ProfileId IN ('00eDo000000gtbi')`: false,
		`Line = 'a\nb\'c\\\u0001'`: true, `Line LIKE 'a\nb_c\\\u0001'`: true,
		`(Title = 'x' OR Level = 7) AND NOT IsActive = false`: true, `Title = 'x' AND Level = 7`: false,
		// The SOQL reference on null: a null boolean is FALSE.
		`Off = null`: true, `Off != null`: false, `IsActive != null`: true, `Nothing = false`: true, `Nothing = true`: false,
		`Nothing != true`: true, `Nothing IN (true, false)`: true, `Off IN (null, true)`: true,
		// The SOQL reference on date functions; a time is in UTC.
		`CALENDAR_YEAR(Sunday) = 2024`: true, `CALENDAR_QUARTER(Sunday) = 4`: true, `CALENDAR_MONTH(Sunday) IN (11, 12)`: true,
		`DAY_IN_MONTH(Sunday) > 28`: true, `DAY_IN_WEEK(Sunday) = 1`: true, `DAY_IN_YEAR(Sunday) = 364`: true,
		`DAY_ONLY(Sunday) = 2024-12-29`: true, `DAY_ONLY(Sunday) < 2024-12-29`: false, `HOUR_IN_DAY(Sunday) = 23`: true,
		`WEEK_IN_MONTH(Sunday) = 5`: true, `WEEK_IN_YEAR(Sunday) = 52`: true, `CALENDAR_QUARTER(Day) = 2`: true, `WEEK_IN_MONTH(Day) = 4`: true,
		`CALENDAR_YEAR(Nothing) = 2024`: false, `CALENDAR_YEAR(Nothing) = null`: true, `CALENDAR_YEAR(Nothing) != 2024`: true,
		`Shift = 09:00:00Z`: true, `Shift < 09:00:00+01:00`: false, `Shift > 08:59:59.999Z`: true,
		`Windows = 2023-04-28T13:10:51Z`: true, `WindowsZone = 2023-04-28T13:10:51Z`: true, `DAY_IN_MONTH(Windows) = 28`: true,
		`Created >= 2023-04-28T13:10:51+0000 AND Created < 2023-04-28T13:10:51-01`: true,
		// A value that a file stores as text is compared with the literal as it
		// is.
		`TextTrue = true`: true, `TextTrue != TRUE`: false, `TextTrue = 'TRUE'`: true, `TextOff = false`: true, `TextOff = 0`: true,
		`TextNumber > 12`: true, `TextNumber = 12.5`: true, `TextNumber = '12.50'`: true, `TextNumber IN (1, 12.5)`: true,
		// IDs, in both forms.
		`Lookup__c = '00eDo000000gtbI'`: true, `Lookup__c IN ('00eDo000000gtbi')`: false, `Word__c = 'accountmanagers'`: true,
		`Title > 'b'`: false, `Title <= 'ACCOUNT F'`: true, `Title LIKE '%c%t%v_'`: true, `Title LIKE '%c%t%v__'`: false,
	} {
		c, err := Parse(text)
		require.NoError(t, err, text)
		got, err := match(c, record)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, want := range map[string]string{
		`IsActive = 'true'`:                               "IsActive: the value in the record is not of the same type",
		`Title = 5`:                                       "Title: the value",
		`Title = true`:                                    "Title: the value",
		`Level = 'x'`:                                     "Level: the value",
		`Level LIKE 'x'`:                                  "Level: LIKE wants a text",
		`Level INCLUDES ('x')`:                            "Level: INCLUDES",
		`Created > 2023-04-28`:                            "Created: the value",
		`Day > 2023-04-28T00:00:00Z`:                      "Day: the value",
		`Created = LAST_N_DAYS:90`:                        "Created: periods",
		`Nothing > TODAY`:                                 "Nothing: periods",
		`Nothing = TODAY`:                                 "Nothing: periods",
		`Title = 'x' AND Created = TODAY`:                 "Created: periods",
		`IsActive = true OR Created = TODAY`:              "Created: periods",
		`Id IN (SELECT UserId FROM UserLogin)`:            "Id: a semi-join asks other objects",
		`toLabel(Title) = 'x' AND Level > EUR7`:           "toLabel(Title): labels are in the language of a user of the org; Level: amounts in a currency",
		`DISTANCE(Address, Nothing, 'km') < 1`:            "DISTANCE(Address, Nothing, 'km'): distances",
		`DAY_ONLY(convertTimezone(Created)) = 2024-01-01`: "DAY_ONLY(convertTimezone(Created)): convertTimezone depends",
		`FISCAL_YEAR(Created) = 2024`:                     "FISCAL_YEAR(Created): fiscal years",
		`CALENDAR_YEAR(Title) = 2024`:                     "CALENDAR_YEAR(Title): want a date or a time",
		`CALENDAR_YEAR(Level) = 2024`:                     "CALENDAR_YEAR(Level): want a date or a time",
		`CALENDAR_YEAR(Created) = 'x'`:                    "CALENDAR_YEAR(Created): the value",
		`DAY_ONLY(Created) = 2024-01-01T00:00:00Z`:        "DAY_ONLY(Created): the value",
		`Shift > 2024-01-01T00:00:00Z`:                    "Shift: the value",
		`Address = 'x'`:                                   "Address: the value",
		`TextTrue > 1`:                                    "TextTrue: the value",
		`Endless > 1`:                                     "Endless: the value",
		`Hex = 16`:                                        "Hex: the value",
		`IsActive IN (true, 'x')`:                         "IsActive: the value",
	} {
		c, err := Parse(text)
		require.NoError(t, err, text)
		_, err = match(c, record)
		require.ErrorContains(t, err, want, text)
	}
}

// balanced reports whether all parentheses outside strings match, without
// closing one that was not opened. Then "(" + text + ")" is one condition.
func balanced(text string) bool {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '\'':
			inString = !inString
		case inString:
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return false
			}
		}
	}
	return depth == 0 && !inString
}

func FuzzParse(f *testing.F) {
	for text := range accepted {
		f.Add(text)
	}
	f.Add(`IsActive = true) OR (Id != null`)
	f.Add(`a = '\u0027 OR \u0027' AND (NOT NOT (b = 1))`)
	f.Add(`a = 1 -- x`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err != nil {
			refusal, ok := errors.AsType[*Error](err)
			require.True(t, ok)
			require.Positive(t, refusal.Position)
			require.NotEmpty(t, refusal.Reason)
			return
		}
		written := c.String()
		require.True(t, balanced(written), "%q", written)
		require.True(t, balanced(text), "%q", text)
		for _, value := range []any{"x", "2024-02-29", json.Number("1"), true, []any{}} { // must not panic
			record := jsonRecord{}
			for _, field := range c.Fields() {
				record[field] = value
			}
			_, _ = match(c, record)
		}
		if len(written) > MaxLength {
			return // String added spaces to a text that was barely short enough
		}
		again, err := Parse(written)
		require.NoError(t, err, "%q from %q", written, text)
		require.Equal(t, written, again.String())
	})
}

// Every string survives: the value that is compared with a record is the
// intended one.
func TestStringsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := strings.ReplaceAll(rapid.String().Draw(t, "text"), "\x00", "") // NUL is refused
		var literal strings.Builder
		for _, r := range want {
			literal.WriteString(escape(r))
		}
		c, err := Parse(`Title = '` + literal.String() + `'`)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(decode(c.root.(*compare).values[0].text, false)); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}

// A semi-join is replaced by the answers of its query. The fields of that query
// come without the alias of their object.
func TestResolve(t *testing.T) {
	condition, err := Parse(`Title = 'x' AND Id IN (SELECT l.UserId FROM UserLogin l WHERE l.IsFrozen = true AND (NOT l.Note = 'l.x')) AND (NOT Name = 'y') AND Id NOT IN (SELECT AssigneeId FROM PermissionSetAssignment)`)
	require.NoError(t, err)
	before := condition.String()
	var asked []string
	resolved, err := condition.Resolve(func(q Subquery) ([]string, error) {
		text := q.Column + " of " + q.Object
		if q.Where == nil {
			return nil, nil
		}
		asked = append(asked, text+" where "+q.Where.String())
		return []string{"a", "o'b"}, nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{`UserId of UserLogin where IsFrozen = TRUE AND (NOT Note = 'l.x')`}, asked)
	require.Contains(t, resolved.String(), `Title = 'x' AND Id IN ('a', 'o\'b') AND (NOT Name = 'y')`)
	require.Zero(t, resolved.Joins())
	require.Equal(t, before, condition.String())
	program, err := resolved.Compile()
	require.NoError(t, err)
	for id, want := range map[string]bool{"a": true, "O'B": true, "c": false} {
		record := jsonRecord{"Title": "x", "Id": id, "Name": "z"}
		got, err := match(resolved, record)
		require.NoError(t, err)
		require.Equal(t, want, got, id)
	}
	require.Equal(t, []string{"Title", "Id", "Name"}, program.Fields())

	failed := errors.New("no such object")
	_, err = condition.Resolve(func(Subquery) ([]string, error) { return nil, failed })
	require.ErrorIs(t, err, failed)
}
