package salesforce

import "strings"

// In an org with state and country picklists, a user has a code and a name for
// both. The code of a country is that of ISO 3166-1 if the country is one of
// Salesforce's own; where the org added one, it chose the code. The codes of
// states are the org's to change, and those that Salesforce comes with are not
// always ISO's: CH is Chihuahua, CN is Cavan. So a state is told by its name, and
// a country by its code if that is ISO's, else by its name. All four are among
// the user's attributes, too.

// country returns the better word for a country.
func country(code, name string) string {
	if name == "" || len(code) == 2 && strings.Contains(isoCountries, " "+strings.ToUpper(code)) {
		return code
	}
	return name
}

// state returns the better word for a state.
func state(code, name string) string {
	if name == "" {
		return code
	}
	return name
}

// isoCountries are the codes of ISO 3166-1, alpha-2.
const isoCountries = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN " +
	"BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ " +
	"DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL " +
	"GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM " +
	"JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME " +
	"MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP " +
	"NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD " +
	"SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO " +
	"TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
