package scim

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Store keeps what identity providers have pushed. It handles records, links
// and versions and never a request: the handler does filters, PATCH, paging and
// attribute selection. [Memory] is the reference implementation; read it before
// you write your own. scimtest checks any implementation.
//
// Every call names its directory. No call may read or change data of another
// directory. Implementations are safe for concurrent use. Records that are
// passed in or returned are shared: neither side changes their bytes and slices
// afterwards. An error that is not one of this package's is treated as a
// failure of the store; its text is logged and never sent to a client. An error
// that matches ErrUnavailable is an outage: the client is told to retry later.
type Store interface {
	// Get returns one record, or ErrNotFound if the directory has no record
	// of that type with that ID. With links it also fills Record.Links.
	Get(ctx context.Context, dir Directory, ref Ref, links bool) (Record, error)

	// List returns records in the order of Record.Ordinal. A page with fewer
	// than Query.Limit records is the last one.
	List(ctx context.Context, dir Directory, q Query) (Page, error)

	// Apply makes one write completely or not at all. It returns the record as
	// stored after the write, without links; for a Delete, the record before
	// it. The write, its unique keys, its membership rows and the new sequence
	// numbers become visible together. When Apply returns nil, they are as
	// durable as the store is.
	//
	// It fails with ErrNotFound (Update and Delete of a missing record),
	// ErrDuplicate (another record has a unique key), ErrConflict
	// (Write.IfVersion is not the record's version) or *NoMemberError.
	Apply(ctx context.Context, dir Directory, w Write) (Record, error)

	// Changes returns up to limit records whose Version is greater than after,
	// ordered by Version. Each record is listed once, in its present state; a
	// group has its links. A deleted record is a Record with Deleted set and
	// otherwise only Type, ID and Version. Fewer than limit records mean that
	// there are no more at present.
	//
	// A change that becomes visible later must not have a lower number than a
	// visible one, or readers would miss it: numbers are assigned in the order
	// of commit. An after of 0 requests everything. A store that cannot list
	// all changes after a number returns sources.ErrCursorExpired: it no longer
	// has old deletions, or it never assigned that number, for instance because
	// it was restored from an older copy.
	Changes(ctx context.Context, dir Directory, after int64, limit int) ([]Record, error)
}

// The errors of a refused call. Test with errors.Is.
var (
	// ErrNotFound: the directory has no such record.
	ErrNotFound = errors.New("no such record")
	// ErrDuplicate: a unique key is taken by another record of the same type.
	ErrDuplicate = errors.New("unique key taken")
	// ErrConflict: the record is not at the expected version.
	ErrConflict = errors.New("version conflict")
)

// A NoMemberError reports that an added member is not a record of the
// directory.
type NoMemberError struct{ ID string }

// Error implements error.
func (e *NoMemberError) Error() string { return fmt.Sprintf("no record has the ID %q", e.ID) }

// A Directory is the set of records that one connection of one tenant has
// pushed. Two app instances of one provider are two connections and thus two
// directories (rule S1): the same person may be in both, and the old instance
// cannot deactivate a user that the new one manages (R145 to R147).
type Directory struct {
	Tenant     string
	Connection string
}

// The types of record that are built into the handler.
const (
	TypeUser  = "User"
	TypeGroup = "Group"
)

// A Ref identifies a record of a directory. An ID is unique in a directory
// across all types.
type Ref struct {
	Type string
	ID   string
}

// A Record is one stored resource. In an answer to a Query with NoDoc or NoMeta,
// the fields that they name may be empty.
type Record struct {
	Ref
	// Version is the directory's sequence number of the record's last change. A
	// membership that begins or ends changes both the group and the member;
	// each gets its own number, in any order. Sequence numbers are positive.
	// Every change of a record gets a number greater than all earlier ones of
	// the directory.
	Version int64
	// Ordinal is the sequence number of the record's creation. It never
	// changes. Listings are in its order, which keeps pages stable.
	Ordinal int64
	// Created and LastModified are UTC.
	Created      time.Time
	LastModified time.Time
	// Keys are the values by which the record can be found. The handler derives
	// them from Doc. A store keeps them to answer Query.Where and to enforce
	// unique keys.
	Keys []Key
	// Doc is the resource as a JSON object, without id, meta, and what Links
	// contains (members of a group, groups of a user).
	Doc []byte
	// Display is a group's display name as written, for Link.Display of its
	// members. It is empty for other records.
	Display string
	// Links are the members of a group, and for any other record the groups of
	// which it is a direct member. They are in any order, and present only if
	// requested.
	Links []Link
	// Deleted is set only in records that Changes returns.
	Deleted bool
}

// A Key is a value by which a record can be found. Values are compared byte by
// byte; the handler has already folded values that compare without letter case.
// A value is at most MaxKeyBytes long and contains no NUL.
type Key struct {
	// Name is the attribute: one of the Key constants, or the path of an
	// attribute that the host has declared as unique.
	Name  string
	Value string
	// Unique forbids that another record of the same type and directory has
	// this name and value.
	Unique bool
}

// The names of keys that filters use. The last three occur only in a Query: a
// store answers them from the record's ID and its membership rows.
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
// them. The values are those of sources.UserKey, cut to MaxKeyBytes. A user may
// have keys that its source does not use.
const (
	KeyAddress      = "address" // user name and addresses, if folding them as addresses gives a value other than KeyUserName and KeyEmail
	KeyManagerID    = "manager.id"
	KeyManagerEmail = "manager.email"
	KeyManagerName  = "manager.name"
)

// MaxKeyBytes is the greatest length of a key's value. It allows a store to put
// the value in a database index.
const MaxKeyBytes = 1024

// A Link is one membership, seen from either side.
type Link struct {
	Ref
	// Display is, for a member, the text sent with it, and for a group its
	// present display name. It may be empty.
	Display string
}

// A Query selects records.
type Query struct {
	// Type is the type of record; empty lists all types.
	Type string
	// Where lists keys that a record must have, all of them; empty selects
	// every record. It has at most four keys. Key.Unique has no meaning here.
	Where []Key
	// Any lists keys of which a record must have at least one, in addition to
	// all of Where; empty requires none. It has at most 500 keys. The cost of a
	// listing grows with the number of records that have one of them, not with
	// the directory.
	Any []Key
	// After is the Ordinal after which the listing starts (keyset paging, for
	// cursors and scans). Offset then skips this many more records (for
	// startIndex).
	After  int64
	Offset int
	// Limit is the greatest number of records; 0 returns none.
	Limit int
	// Links requests Record.Links.
	Links bool
	// NoDoc says that the caller does not need Record.Doc, and NoMeta that it
	// does not need Version, Created, LastModified and Display. A store may
	// leave these fields empty, to read many records faster.
	NoDoc, NoMeta bool
	// Count requests Page.Total.
	Count bool
}

// A Page is one answer of List.
type Page struct {
	Records []Record
	// Total is the number of records that Type and Where select, regardless of
	// After, Offset and Limit. It is 0 unless Query.Count is set.
	Total int
}

// An Op is the kind of a Write.
type Op uint8

// The operations. The zero Op is invalid and is refused.
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
	// IfVersion is the version that the record must have; 0 means any. This
	// compare-and-swap keeps concurrent changes from overwriting each other.
	IfVersion int64
	// Doc, Keys and Display replace those of the record. If Doc is nil, all
	// three stay unchanged, so that a change of members writes no document.
	Doc     []byte
	Keys    []Key
	Display string
	// Members changes the membership rows of a group; nil leaves them
	// unchanged. Adding or removing one member costs the same in a group of any
	// size.
	Members *MemberChange
}

// A MemberChange changes the members of a group: Remove is removed and Add is
// added, also who is in both; with Replace, members that are not in Add are
// removed. Adding a member again and removing a record that is no member change nothing
// (except that a non-empty Display replaces a different one). An ID in Add that
// is not in the directory is a *NoMemberError, or is omitted with SkipUnknown.
// The store determines Link.Type.
//
// A write without Doc whose MemberChange changes no row takes no sequence
// number and leaves Version and LastModified unchanged. A member that joins or
// leaves is changed as well (see Record.Version), with At as LastModified. A
// member that stays, even with a new Display, is not changed.
//
// Deleting a record deletes its memberships on both sides. It counts as a
// change of every group that it was in and of every member that it had.
type MemberChange struct {
	Replace     bool
	Remove      []string
	Add         []Link
	SkipUnknown bool
}
