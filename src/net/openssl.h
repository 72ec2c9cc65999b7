/*
 * OpenSSL, loaded when it is first needed: a run that only puts a message into the queue, lists it or shows help starts in half the time without. The rooms that use it
 * include this in place of OpenSSL's own headers, call openssl_load() first, and then its functions by their names.
 *
 * Each function stands here twice: in the list, and with the name that calls it; one that is forgotten is not found by the linker.
 */
#ifndef NET_OPENSSL_H
#define NET_OPENSSL_H

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include "outcome.h"

/* Loads the library, once. -1: o (76, CAUSE_NO_OPENSSL, as where there is no trust store): it is not installed here, or is too old. */
int openssl_load(struct outcome *o);

/* What an error code means, as ERR_reason_error_string(), whose words are loaded only then. NULL: it has none. */
const char *openssl_reason(unsigned long code);

/* Makes known by name what private keys in PEM files of the older form are encrypted with, before one is read: it knows no cipher by name else, as telling it all takes its time. */
void openssl_know_ciphers(void);

#define OPENSSL_FUNCTIONS(F) \
	F(ASN1_STRING_get0_data) \
	F(ASN1_STRING_length) \
	F(ASN1_TIME_diff) \
	F(ASN1_TIME_to_tm) \
	F(BIO_ctrl) \
	F(BIO_f_buffer) \
	F(BIO_free) \
	F(BIO_int_ctrl) \
	F(BIO_new) \
	F(BIO_new_mem_buf) \
	F(BIO_push) \
	F(BIO_read) \
	F(BIO_s_mem) \
	F(BIO_test_flags) \
	F(BIO_up_ref) \
	F(CRYPTO_clear_free) \
	F(CRYPTO_free) \
	F(CRYPTO_memcmp) \
	F(ERR_clear_error) \
	F(ERR_peek_error) \
	F(ERR_reason_error_string) \
	F(EVP_Digest) \
	F(EVP_DigestSign) \
	F(EVP_DigestSignInit) \
	F(EVP_MD_CTX_free) \
	F(EVP_MD_CTX_new) \
	F(EVP_PKEY_CTX_set_rsa_padding) \
	F(EVP_PKEY_free) \
	F(EVP_PKEY_get_bits) \
	F(EVP_PKEY_is_a) \
	F(EVP_add_cipher) \
	F(EVP_get_digestbyname) \
	F(EVP_md5) \
	F(EVP_sha1) \
	F(EVP_sha256) \
	F(GENERAL_NAMES_free) \
	F(GENERAL_NAME_get0_value) \
	F(HMAC) \
	F(OBJ_nid2sn) \
	F(OPENSSL_init_crypto) \
	F(OPENSSL_init_ssl) \
	F(OPENSSL_sk_num) \
	F(OPENSSL_sk_pop_free) \
	F(OPENSSL_sk_value) \
	F(PEM_read_bio_PrivateKey) \
	F(PEM_read_bio_X509) \
	F(PKCS5_PBKDF2_HMAC) \
	F(SSL_CIPHER_get_name) \
	F(SSL_CTX_check_private_key) \
	F(SSL_CTX_clear_options) \
	F(SSL_CTX_ctrl) \
	F(SSL_CTX_free) \
	F(SSL_CTX_get0_param) \
	F(SSL_CTX_get0_privatekey) \
	F(SSL_CTX_load_verify_dir) \
	F(SSL_CTX_load_verify_file) \
	F(SSL_CTX_new) \
	F(SSL_CTX_sess_set_new_cb) \
	F(SSL_CTX_set_default_passwd_cb) \
	F(SSL_CTX_set_default_passwd_cb_userdata) \
	F(SSL_CTX_set_options) \
	F(SSL_CTX_set_verify) \
	F(SSL_CTX_use_PrivateKey_file) \
	F(SSL_CTX_use_certificate_chain_file) \
	F(SSL_SESSION_free) \
	F(SSL_SESSION_get0_peer) \
	F(SSL_SESSION_is_resumable) \
	F(SSL_ctrl) \
	F(SSL_do_handshake) \
	F(SSL_export_keying_material) \
	F(SSL_free) \
	F(SSL_get0_param) \
	F(SSL_get0_verified_chain) \
	F(SSL_get1_peer_certificate) \
	F(SSL_get_current_cipher) \
	F(SSL_get_error) \
	F(SSL_get_ex_data) \
	F(SSL_get_ex_data_X509_STORE_CTX_idx) \
	F(SSL_get_peer_cert_chain) \
	F(SSL_get_rbio) \
	F(SSL_get_wbio) \
	F(SSL_get_verify_result) \
	F(SSL_get_version) \
	F(SSL_has_pending) \
	F(SSL_new) \
	F(SSL_read) \
	F(SSL_session_reused) \
	F(SSL_set0_wbio) \
	F(SSL_set_connect_state) \
	F(SSL_set_ex_data) \
	F(SSL_set_fd) \
	F(SSL_set_session) \
	F(SSL_shutdown) \
	F(SSL_version) \
	F(SSL_write) \
	F(TLS_client_method) \
	F(X509_NAME_print_ex) \
	F(X509_STORE_CTX_get1_chain) \
	F(X509_STORE_CTX_get_current_cert) \
	F(X509_STORE_CTX_get_error) \
	F(X509_STORE_CTX_get_error_depth) \
	F(X509_STORE_CTX_get_ex_data) \
	F(X509_VERIFY_PARAM_add1_host) \
	F(X509_VERIFY_PARAM_set1_host) \
	F(X509_VERIFY_PARAM_set1_ip_asc) \
	F(X509_VERIFY_PARAM_set_flags) \
	F(X509_VERIFY_PARAM_set_hostflags) \
	F(X509_check_host) \
	F(X509_check_ip_asc) \
	F(X509_check_private_key) \
	F(X509_cmp_current_time) \
	F(X509_digest) \
	F(X509_free) \
	F(X509_get0_notAfter) \
	F(X509_get0_notBefore) \
	F(X509_get_X509_PUBKEY) \
	F(X509_get_default_cert_dir) \
	F(X509_get_default_cert_dir_env) \
	F(X509_get_default_cert_file) \
	F(X509_get_default_cert_file_env) \
	F(X509_get_ext_d2i) \
	F(X509_get_issuer_name) \
	F(X509_get_signature_info) \
	F(X509_get_subject_name) \
	F(X509_up_ref) \
	F(X509_verify_cert_error_string) \
	F(d2i_SSL_SESSION) \
	F(i2d_SSL_SESSION) \
	F(i2d_X509_PUBKEY)

struct openssl {
#define OPENSSL_MEMBER(name) __typeof__(name) *name;
	OPENSSL_FUNCTIONS(OPENSSL_MEMBER)
#undef OPENSSL_MEMBER
};

/* Of openssl_load(), for the names below alone. */
extern struct openssl openssl;

#ifndef OPENSSL_NAMES_ONLY
#define ASN1_STRING_get0_data openssl.ASN1_STRING_get0_data
#define ASN1_STRING_length openssl.ASN1_STRING_length
#define ASN1_TIME_diff openssl.ASN1_TIME_diff
#define ASN1_TIME_to_tm openssl.ASN1_TIME_to_tm
#define BIO_ctrl openssl.BIO_ctrl
#define BIO_f_buffer openssl.BIO_f_buffer
#define BIO_free openssl.BIO_free
#define BIO_int_ctrl openssl.BIO_int_ctrl
#define BIO_new openssl.BIO_new
#define BIO_new_mem_buf openssl.BIO_new_mem_buf
#define BIO_push openssl.BIO_push
#define BIO_read openssl.BIO_read
#define BIO_s_mem openssl.BIO_s_mem
#define BIO_test_flags openssl.BIO_test_flags
#define BIO_up_ref openssl.BIO_up_ref
#define CRYPTO_clear_free openssl.CRYPTO_clear_free
#define CRYPTO_free openssl.CRYPTO_free
#define CRYPTO_memcmp openssl.CRYPTO_memcmp
#define ERR_clear_error openssl.ERR_clear_error
#define ERR_peek_error openssl.ERR_peek_error
#define ERR_reason_error_string openssl.ERR_reason_error_string
#define EVP_Digest openssl.EVP_Digest
#define EVP_DigestSign openssl.EVP_DigestSign
#define EVP_DigestSignInit openssl.EVP_DigestSignInit
#define EVP_MD_CTX_free openssl.EVP_MD_CTX_free
#define EVP_MD_CTX_new openssl.EVP_MD_CTX_new
#define EVP_PKEY_CTX_set_rsa_padding openssl.EVP_PKEY_CTX_set_rsa_padding
#define EVP_PKEY_free openssl.EVP_PKEY_free
#define EVP_PKEY_get_bits openssl.EVP_PKEY_get_bits
#define EVP_PKEY_is_a openssl.EVP_PKEY_is_a
#define EVP_add_cipher openssl.EVP_add_cipher
#define EVP_get_digestbyname openssl.EVP_get_digestbyname
#define EVP_md5 openssl.EVP_md5
#define EVP_sha1 openssl.EVP_sha1
#define EVP_sha256 openssl.EVP_sha256
#define GENERAL_NAMES_free openssl.GENERAL_NAMES_free
#define GENERAL_NAME_get0_value openssl.GENERAL_NAME_get0_value
#define HMAC openssl.HMAC
#define OBJ_nid2sn openssl.OBJ_nid2sn
#define OPENSSL_init_crypto openssl.OPENSSL_init_crypto
#define OPENSSL_init_ssl openssl.OPENSSL_init_ssl
#define OPENSSL_sk_num openssl.OPENSSL_sk_num
#define OPENSSL_sk_pop_free openssl.OPENSSL_sk_pop_free
#define OPENSSL_sk_value openssl.OPENSSL_sk_value
#define PEM_read_bio_PrivateKey openssl.PEM_read_bio_PrivateKey
#define PEM_read_bio_X509 openssl.PEM_read_bio_X509
#define PKCS5_PBKDF2_HMAC openssl.PKCS5_PBKDF2_HMAC
#define SSL_CIPHER_get_name openssl.SSL_CIPHER_get_name
#define SSL_CTX_check_private_key openssl.SSL_CTX_check_private_key
#define SSL_CTX_clear_options openssl.SSL_CTX_clear_options
#define SSL_CTX_ctrl openssl.SSL_CTX_ctrl
#define SSL_CTX_free openssl.SSL_CTX_free
#define SSL_CTX_get0_param openssl.SSL_CTX_get0_param
#define SSL_CTX_get0_privatekey openssl.SSL_CTX_get0_privatekey
#define SSL_CTX_load_verify_dir openssl.SSL_CTX_load_verify_dir
#define SSL_CTX_load_verify_file openssl.SSL_CTX_load_verify_file
#define SSL_CTX_new openssl.SSL_CTX_new
#define SSL_CTX_sess_set_new_cb openssl.SSL_CTX_sess_set_new_cb
#define SSL_CTX_set_default_passwd_cb openssl.SSL_CTX_set_default_passwd_cb
#define SSL_CTX_set_default_passwd_cb_userdata openssl.SSL_CTX_set_default_passwd_cb_userdata
#define SSL_CTX_set_options openssl.SSL_CTX_set_options
#define SSL_CTX_set_verify openssl.SSL_CTX_set_verify
#define SSL_CTX_use_PrivateKey_file openssl.SSL_CTX_use_PrivateKey_file
#define SSL_CTX_use_certificate_chain_file openssl.SSL_CTX_use_certificate_chain_file
#define SSL_SESSION_free openssl.SSL_SESSION_free
#define SSL_SESSION_get0_peer openssl.SSL_SESSION_get0_peer
#define SSL_SESSION_is_resumable openssl.SSL_SESSION_is_resumable
#define SSL_ctrl openssl.SSL_ctrl
#define SSL_do_handshake openssl.SSL_do_handshake
#define SSL_export_keying_material openssl.SSL_export_keying_material
#define SSL_free openssl.SSL_free
#define SSL_get0_param openssl.SSL_get0_param
#define SSL_get0_verified_chain openssl.SSL_get0_verified_chain
#define SSL_get1_peer_certificate openssl.SSL_get1_peer_certificate
#define SSL_get_current_cipher openssl.SSL_get_current_cipher
#define SSL_get_error openssl.SSL_get_error
#define SSL_get_ex_data openssl.SSL_get_ex_data
#define SSL_get_ex_data_X509_STORE_CTX_idx openssl.SSL_get_ex_data_X509_STORE_CTX_idx
#define SSL_get_peer_cert_chain openssl.SSL_get_peer_cert_chain
#define SSL_get_rbio openssl.SSL_get_rbio
#define SSL_get_wbio openssl.SSL_get_wbio
#define SSL_get_verify_result openssl.SSL_get_verify_result
#define SSL_get_version openssl.SSL_get_version
#define SSL_has_pending openssl.SSL_has_pending
#define SSL_new openssl.SSL_new
#define SSL_read openssl.SSL_read
#define SSL_session_reused openssl.SSL_session_reused
#define SSL_set0_wbio openssl.SSL_set0_wbio
#define SSL_set_connect_state openssl.SSL_set_connect_state
#define SSL_set_ex_data openssl.SSL_set_ex_data
#define SSL_set_fd openssl.SSL_set_fd
#define SSL_set_session openssl.SSL_set_session
#define SSL_shutdown openssl.SSL_shutdown
#define SSL_version openssl.SSL_version
#define SSL_write openssl.SSL_write
#define TLS_client_method openssl.TLS_client_method
#define X509_NAME_print_ex openssl.X509_NAME_print_ex
#define X509_STORE_CTX_get1_chain openssl.X509_STORE_CTX_get1_chain
#define X509_STORE_CTX_get_current_cert openssl.X509_STORE_CTX_get_current_cert
#define X509_STORE_CTX_get_error openssl.X509_STORE_CTX_get_error
#define X509_STORE_CTX_get_error_depth openssl.X509_STORE_CTX_get_error_depth
#define X509_STORE_CTX_get_ex_data openssl.X509_STORE_CTX_get_ex_data
#define X509_VERIFY_PARAM_add1_host openssl.X509_VERIFY_PARAM_add1_host
#define X509_VERIFY_PARAM_set1_host openssl.X509_VERIFY_PARAM_set1_host
#define X509_VERIFY_PARAM_set1_ip_asc openssl.X509_VERIFY_PARAM_set1_ip_asc
#define X509_VERIFY_PARAM_set_flags openssl.X509_VERIFY_PARAM_set_flags
#define X509_VERIFY_PARAM_set_hostflags openssl.X509_VERIFY_PARAM_set_hostflags
#define X509_check_host openssl.X509_check_host
#define X509_check_ip_asc openssl.X509_check_ip_asc
#define X509_check_private_key openssl.X509_check_private_key
#define X509_cmp_current_time openssl.X509_cmp_current_time
#define X509_digest openssl.X509_digest
#define X509_free openssl.X509_free
#define X509_get0_notAfter openssl.X509_get0_notAfter
#define X509_get0_notBefore openssl.X509_get0_notBefore
#define X509_get_X509_PUBKEY openssl.X509_get_X509_PUBKEY
#define X509_get_default_cert_dir openssl.X509_get_default_cert_dir
#define X509_get_default_cert_dir_env openssl.X509_get_default_cert_dir_env
#define X509_get_default_cert_file openssl.X509_get_default_cert_file
#define X509_get_default_cert_file_env openssl.X509_get_default_cert_file_env
#define X509_get_ext_d2i openssl.X509_get_ext_d2i
#define X509_get_issuer_name openssl.X509_get_issuer_name
#define X509_get_signature_info openssl.X509_get_signature_info
#define X509_get_subject_name openssl.X509_get_subject_name
#define X509_up_ref openssl.X509_up_ref
#define X509_verify_cert_error_string openssl.X509_verify_cert_error_string
#define d2i_SSL_SESSION openssl.d2i_SSL_SESSION
#define i2d_SSL_SESSION openssl.i2d_SSL_SESSION
#define i2d_X509_PUBKEY openssl.i2d_X509_PUBKEY
#endif

#endif
