package salesforce_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/usher-go/usher/sources/salesforce"
)

// Read what the command line saved:
//
//	sf data query --json -q "SELECT Id, Email, IsActive, Title FROM User" > users.json
func ExampleFromFile() {
	saved := fstest.MapFS{"users.json": {Data: []byte(`{"status": 0, "result": {"totalSize": 2, "done": true, "records": [
		{"Id": "005000000000001AAA", "Email": "ada@acme.com", "IsActive": true, "Title": "CEO"},
		{"Id": "005000000000002AAA", "Email": "bo@acme.com", "IsActive": true, "Title": "Account Executive"}]}}`)}}

	src, err := salesforce.FromFile(salesforce.FileConfig{Path: "users.json", FS: saved})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("an end of this listing proves:", src.Info().Lists)
	for id, err := range src.Match(context.Background(), "Title LIKE '%executive%'") {
		fmt.Println(id, err)
	}
	for _, err := range src.Match(context.Background(), "Department = 'Sales'") {
		fmt.Println(err)
	}
	// Output:
	// an end of this listing proves: users
	// 005000000000002AAA <nil>
	// salesforce: match in file: not supported by this source: a file cannot answer this filter: the records do not carry Department
}
