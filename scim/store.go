package scim

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Store keeps what identity providers have pushed. It sees records, links
// and versions and never a request: filters, PATCH, paging and attribute
// selection are the handler's. [Memory] is the reference implementation and
// the thing to read before writing your own; scimtest checks any of them.
//
// Every call names the directory it concerns, and nothing of one directory may
// ever be seen or changed through another. Implementations are safe for
// concurrent use. Records that are passed in or returned are shared: neither
// side changes the bytes and slices in them afterwards. An error that is none
// of this package's is taken for a failure of the store; its text is logged
// and never reaches a client. One that matches ErrUnavailable is an outage: the
// client is told to come again.
type Store interface {
	// Get returns one record, or ErrNotFound if the directory has no record
	// of that type with that ID. With links it also fills Record.Links.
	Get(ctx context.Context, dir Directory, ref Ref, links bool) (Record, error)

	// List returns records in the order of Record.Ordinal. A page that holds
	// fewer than Query.Limit records is the last one.
	List(ctx context.Context, dir Directory, q Query) (Page, error)

	// Apply makes one write, whole or not at all, and returns the record as
	// it is then stored, without links (for a Delete, as it was). The write,
	// its unique keys, its membership rows and the new sequence numbers
	// become visible together; when Apply returns nil they are durable as far
	// as the store is.
	//
	// It fails with ErrNotFound (Update and Delete of a record that is not
	// there), ErrDuplicate (a unique key is another record's), ErrConflict
	// (Write.IfVersion is not the record's version) or *NoMemberError.
	Apply(ctx context.Context, dir Directory, w Write) (Record, error)

	// Changes returns up to limit records whose Version is greater than
	// after, ordered by Version: each record once as it is now, groups with
	// their links, and deleted ones as a Record with Deleted set and nothing
	// else but Type, ID and Version. Fewer than limit mean that there is no
	// more at present.
	//
	// A change that becomes visible later must not have a lower number than
	// one that is visible already, or readers would miss it: numbers are
	// given out in the order of commit. An after of 0 asks for everything. A
	// store that cannot be complete after some number answers
	// sources.ErrCursorExpired: it has forgotten old deletions, or it never
	// gave out that number, for instance because it was restored from an
	// older copy.
	Changes(ctx context.Context, dir Directory, after int64, limit int) ([]Record, error)
}

// The ways in which a store refuses. Test with errors.Is.
var (
	// ErrNotFound: the directory has no such record.
	ErrNotFound = errors.New("no such record")
	// ErrDuplicate: a unique key is taken by another record of the same type.
	ErrDuplicate = errors.New("unique key taken")
	// ErrConflict: the record is not at the expected version.
	ErrConflict = errors.New("version conflict")
)

// A NoMemberError says that an added member is not a record of the directory.
type NoMemberError struct{ ID string }

// Error implements error.
func (e *NoMemberError) Error() string { return fmt.Sprintf("no record has the ID %q", e.ID) }

// A Directory is what one connection of one tenant has pushed. Two app
// instances of one provider are two connections and thus two directories
// (rule S1): the same person may be in both, and the old instance cannot
// deactivate what the new one manages (R145 to R147).
type Directory struct {
	Tenant     string
	Connection string
}

// The types of record that the handler knows by itself.
const (
	TypeUser  = "User"
	TypeGroup = "Group"
)

// A Ref names a record of a directory. IDs are unique in a directory over all
// types.
type Ref struct {
	Type string
	ID   string
}

// A Record is one stored resource.
type Record struct {
	Ref
	// Version is the directory's sequence number of the record's last change.
	// A membership that begins or ends is a change of both its sides: of the
	// group and of the member, each with a number of its own, in any order.
	// Sequence numbers are positive and every change of a record in the
	// directory takes a greater one.
	Version int64
	// Ordinal is the sequence number of the record's creation. It never
	// changes and is the order of listings, which keeps pages stable.
	Ordinal int64
	// Created and LastModified are UTC.
	Created      time.Time
	LastModified time.Time
	// Keys are what the record can be found by. The handler derives them from
	// Doc; a store keeps them to answer Query.Where and to hold unique keys
	// unique.
	Keys []Key
	// Doc is the resource as a JSON object, without id, meta, and what Links
	// say (members of a group, groups of a user).
	Doc []byte
	// Display is a group's display name as written, for Link.Display of its
	// members. It is empty for other records.
	Display string
	// Links are, for a group, its members, and for any other record the
	// groups it is a direct member of; in any order, and only where asked for.
	Links []Link
	// Deleted is set only in answers of Changes.
	Deleted bool
}

// A Key is a value that a record can be found by. Values are compared byte for
// byte; the handler has folded what compares without regard to case. A value
// is at most MaxKeyBytes long and holds no NUL.
type Key struct {
	// Name is the attribute: one of the Key constants.
	Name  string
	Value string
	// Unique says that no two records of one type and directory may have this
	// name and value.
	Unique bool
}

// The names of keys that filters ask for. The last three stand in a Query only:
// a store answers them from the record's ID and its membership rows.
const (
	KeyUserName    = "userName"     // unique; compared by RFC 7644 section 5
	KeyExternalID  = "externalId"   // as sent
	KeyDisplayName = "displayName"  // case-folded
	KeyEmail       = "emails.value" // case-folded, any number

	KeyID     = "id"            // the record's ID
	KeyMember = "members.value" // groups that have this ID among their members
	KeyGroup  = "groups.value"  // records that are members of the group with this ID
)

// The names of further keys of users, by which DirectorySource.FindUsers finds
// them: values as sources.UserKey has them, cut to MaxKeyBytes. A user may have
// keys that its source makes no use of.
const (
	KeyAddress      = "address" // user name and addresses that are folded in another way than KeyUserName and KeyEmail
	KeyManagerID    = "manager.id"
	KeyManagerEmail = "manager.email"
	KeyManagerName  = "manager.name"
)

// MaxKeyBytes is the greatest length of a key's value, which lets a store put
// it in a database index.
const MaxKeyBytes = 1024

// A Link is one membership, seen from either side.
type Link struct {
	Ref
	// Display is, for a member, the text sent with it, and for a group its
	// display name at present. It may be empty.
	Display string
}

// A Query selects records.
type Query struct {
	// Type is the type of record; empty lists all types.
	Type string
	// Where are keys that a record must have, all of them; empty selects
	// every record. They are at most four. Key.Unique has no meaning here.
	Where []Key
	// Any are keys of which a record must have one, beside all of Where; empty
	// asks for none. They are at most 500. The cost of a listing grows with the
	// records that have one of them, and not with the directory.
	Any []Key
	// After is the Ordinal behind which the listing starts (keyset paging,
	// for cursors and scans); Offset then skips that many records more (for
	// startIndex).
	After  int64
	Offset int
	// Limit is the greatest number of records; 0 returns none.
	Limit int
	// Links asks for Record.Links.
	Links bool
	// Count asks for Page.Total.
	Count bool
}

// A Page is one answer of List.
type Page struct {
	Records []Record
	// Total is how many records Type and Where select, whatever After, Offset
	// and Limit say. It is 0 unless Query.Count is set.
	Total int
}

// Op is what a Write does.
type Op uint8

// The operations. The zero Op is none of them and is refused.
const (
	Create Op = iota + 1
	Update
	Delete
)

// A Write is one atomic change of one record.
type Write struct {
	Op  Op
	Ref Ref
	// At becomes LastModified, and Created of a new record.
	At time.Time
	// IfVersion is the version the record must have; 0 means any. It is the
	// compare-and-swap that keeps racing changes from losing one another.
	IfVersion int64
	// Doc, Keys and Display replace those of the record. A nil Doc leaves all
	// three as they are, so that a change of members writes no document.
	Doc     []byte
	Keys    []Key
	Display string
	// Members changes the membership rows of a group; nil leaves them.
	// Adding or removing one member costs the same in any group.
	Members *MemberChange
}

// A MemberChange changes the members of a group: with Replace all that were
// there go first, then Remove goes, then Add comes. Adding who is a member and
// removing who is not are no changes (except that a Display which is not empty
// replaces another one); an ID to add that the directory does not have is a
// *NoMemberError, or with SkipUnknown is left out. Link.Type is the store's to
// find out.
//
// A write without Doc whose MemberChange changes no row takes no sequence
// number and leaves Version and LastModified as they are. Who joins or leaves
// is changed as well (see Record.Version), with At as LastModified; who stays,
// or has another Display, is not.
//
// Deleting a record deletes its memberships on both sides and counts as a
// change of every group it was in and of every member it had.
type MemberChange struct {
	Replace     bool
	Remove      []string
	Add         []Link
	SkipUnknown bool
}
