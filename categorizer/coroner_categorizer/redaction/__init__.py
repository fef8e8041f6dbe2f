"""Redaction: untrusted text in, text that may be published out. In the order in which the data passes:

sanitize            the one pipeline: control characters out, secrets out, length bounded
redactor            all rules in their order, a site's own patterns, the memory of one classification
rule                what a rule is, its mark, and which rules a text needs
pem                 private keys, also truncated ones
kubernetes_secrets  the data of ``kind: Secret`` manifests
encoded             base64 with a secret in it, JWTs broken over lines
urls                credentials in URLs and connection strings, signed queries
token_formats       tokens that a provider's prefix identifies
statements          SQL, .netrc, .pgpass, configuration lines, call arguments, validation errors
command_lines       short options: ``mysql -pX``
key_values          ``password: …``, headers, flags, JSON in JSON
value_reader        the value after such a key
non_secrets         which values are no secrets: references, placeholders, settings
sentences           … and words of a sentence about the key
"""
