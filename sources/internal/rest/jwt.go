package rest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
)

// ParseKey parses the configuration field PrivateKey: an unencrypted key in PEM
// (PKCS #8, PKCS #1 or SEC 1) for which takes returns true. want describes such
// keys in the error. The error shows nothing of the key.
func ParseKey(text []byte, want string, takes func(crypto.Signer) bool) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, Wrong("PrivateKey", "want PEM, beginning with -----BEGIN PRIVATE KEY-----")
	}
	var key crypto.Signer
	if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		key, _ = parsed.(crypto.Signer)
	} else if parsed, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		key = parsed
	} else if parsed, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		key = parsed
	}
	if key == nil || !takes(key) {
		return nil, Wrong("PrivateKey", "want %s, unencrypted, not a block of type %.40q", want, block.Type)
	}
	return key, nil
}

// IsRSA reports whether SignJWT signs with RS256 by this key.
func IsRSA(key crypto.Signer) bool {
	_, ok := key.(*rsa.PrivateKey)
	return ok
}

// IsP256 reports whether SignJWT signs with ES256 by this key.
func IsP256(key crypto.Signer) bool {
	ec, ok := key.(*ecdsa.PrivateKey)
	return ok && ec.Curve == elliptic.P256()
}

// SignJWT returns a JWT in the compact form (RFC 7515, section 3.1). It signs with
// ES256 by a key of the curve P-256, and with RS256 by an RSA key (RFC 7518,
// sections 3.3 and 3.4). It sets the member alg of header.
func SignJWT(key crypto.Signer, header, claims map[string]any) (string, error) {
	header["alg"] = "RS256"
	if IsP256(key) {
		header["alg"] = "ES256"
	}
	var parts [2][]byte
	for i, part := range []any{header, claims} {
		text, err := json.Marshal(part)
		if err != nil {
			return "", err
		}
		parts[i] = base64.RawURLEncoding.AppendEncode(nil, text)
	}
	signed := bytes.Join(parts[:], []byte("."))
	digest := sha256.Sum256(signed)
	var signature []byte
	var err error
	if ec, ok := key.(*ecdsa.PrivateKey); ok { // ecdsa's own Sign returns ASN.1, and JWS wants r and s
		r, s, failed := ecdsa.Sign(rand.Reader, ec, digest[:])
		if err = failed; err == nil {
			signature = slices.Concat(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32)))
		}
	} else {
		signature, err = key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	if err != nil {
		return "", fmt.Errorf("sign a JWT: %w", err)
	}
	return string(signed) + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
