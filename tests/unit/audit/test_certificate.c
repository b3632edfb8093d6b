/* certificate: every single bit of a sealed document is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/canonical.h"
#include "audit/certificate.h"

/* Made by `openssl genpkey -algorithm ed25519`; signs nothing but this test. */
static const char KEY[] = "-----BEGIN PRIVATE KEY-----\n"
                          "MC4CAQAwBQYDK2VwBCIEIEXwfzZX1qr/ev95fkaxmQThOFOIvfcm8qH1Tdn7qkvz\n"
                          "-----END PRIVATE KEY-----\n";
static const char PUBLIC[] = "-----BEGIN PUBLIC KEY-----\n"
                             "MCowBQYDK2VwAyEARy5siU0N/nfCOXRltQaHsjaPgCi3MJOFTNV/MNpHmwg=\n"
                             "-----END PUBLIC KEY-----\n";

static char key_path[] = "/tmp/bascule-key-XXXXXX", public_path[] = "/tmp/bascule-pub-XXXXXX";

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static int make_keys(void **state)
{
    (void)state;
    write_file(key_path, KEY);
    write_file(public_path, PUBLIC);
    return 0;
}

static int remove_keys(void **state)
{
    (void)state;
    return unlink(key_path) + unlink(public_path);
}

static void sealed(Buf *out, const char *key)
{
    Error err = ERROR_INIT;
    json_t *document = json_pack("{s:s, s:i, s:[s, n, b]}", "certificate", "x", "n", 42, "list",
                                 "t\xc3\xa9\x01/\"", 1);
    assert_true(certificate_seal(document, key, &err));
    canonical_put(document, out);
    buf_putc(out, '\n');
    json_decref(document);
}

static CertificateSeal look(const char *text, size_t len, const char *key)
{
    Error err = ERROR_INIT;
    CertificateSeal seal;
    json_t *document = NULL;
    assert_true(certificate_check(text, len, key, &document, &seal, &err));
    json_decref(document);
    return seal;
}

static void test_intact(void **state)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    (void)state;
    sealed(&text, key_path);
    CertificateSeal seal = look(text.data, text.len, public_path);
    assert_null(seal.damage);
    assert_true(seal.is_signed && seal.signature_fits && seal.key_is_known);
    assert_non_null(strstr(buf_str(&text), "t\\u00E9\\u0001/\\\""));
}

static void test_every_bit(void **state)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    (void)state;
    sealed(&text, key_path);
    for (size_t i = 0; i < text.len * 8; i++) {
        text.data[i / 8] = (char)(text.data[i / 8] ^ (1 << i % 8));
        CertificateSeal seal = look(text.data, text.len, NULL);
        assert_true(seal.damage != NULL || !seal.signature_fits);
        text.data[i / 8] = (char)(text.data[i / 8] ^ (1 << i % 8));
    }
    for (size_t len = 0; len < text.len; len++)
        assert_non_null(look(text.data, len, NULL).damage);
}

static void test_unsigned(void **state)
{
    CLEANUP_BUF Buf text = BUF_INIT;
    (void)state;
    sealed(&text, NULL);
    CertificateSeal seal = look(text.data, text.len, public_path);
    assert_null(seal.damage);
    assert_false(seal.is_signed || seal.signature_fits || seal.key_is_known);
}

static void test_keys_that_are_none(void **state)
{
    Error err = ERROR_INIT;
    json_t *document = json_object();
    (void)state;
    assert_false(certificate_seal(document, public_path, &err));
    assert_int_equal(err.cls, ERR_CONFIG);
    assert_false(certificate_seal(document, "/nowhere", &err));
    assert_int_equal(chmod(key_path, 0640), 0);
    assert_false(certificate_seal(document, key_path, &err));
    assert_non_null(strstr(err.message, "read by others"));
    assert_int_equal(chmod(key_path, 0600), 0);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intact),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_unsigned),
        cmocka_unit_test(test_keys_that_are_none),
    };
    return cmocka_run_group_tests(tests, make_keys, remove_keys);
}
