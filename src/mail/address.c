/*
 * RFC 5322 address lists into mailboxes: the parser of address.h; what is made of a mailbox is in path.c.
 *
 * Three passes, each linear: octets into tokens (comments set aside), angle brackets matched, tokens into elements. The grammar is RFC
 * 5322 section 3.4 with the obsolete forms of 4.4, RFC 6532 for octets above 127.
 * Nothing recurses: comments nest by a counter, groups do not nest.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "mail/address.h"
#include "mem.h"

enum kind { END, ATOM, QUOTED, LITERAL, DOT, AT, COMMA, SEMICOLON, COLON, OPEN, CLOSE, BAD };

struct token {
	struct span at;
	enum kind kind;
	bool inside;		/* between an angle bracket and its partner */
	bool control;		/* QUOTED: holds a control character, which a name may and a local part may not */
	const char *reason;	/* BAD: why */
};

struct parser {
	const char *text;
	size_t len;
	size_t offset;			/* of the lexer */
	struct token *token;		/* the last one is END */
	size_t count;
	size_t size;
	size_t pos;			/* the next token */
	size_t last_semicolon;		/* the last one outside angle brackets; 0: none (a group's is never the first token) */
	size_t begin;			/* where the element begins: the offset behind the last separator */
	bool in_group;
	bool after_group;		/* and no comma yet */
	struct address_list *list;
};

/* Makes room for one more in an array whose size is not kept: it doubles at powers of two. */
static void *
one_more(void *p, size_t count, size_t size)
{
	if (count == 0 || (count & (count - 1)) != 0)
		return count == 0 ? mem_grow(p, 1, size) : p;
	return mem_grow(p, count * 2, size);
}

static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 5322 section 3.2.3, atext, and UTF8-non-ascii of RFC 6532 (any octet above 127). */
static bool
is_atext(char c)
{
	return !is_control(c) && c != ' ' && strchr("()<>[]:;@\\,.\"", c) == NULL;
}

/* Lexer */

static struct token *
push(struct parser *p, enum kind kind, size_t start)
{
	struct token *t;

	if (p->count == p->size) {
		p->size = p->size == 0 ? 16 : p->size * 2;
		p->token = mem_grow(p->token, p->size, sizeof(*p->token));
	}
	t = &p->token[p->count++];
	*t = (struct token){ .at = { start, p->offset }, .kind = kind };
	return t;
}

static bool
at_fold(const struct parser *p)
{
	return p->len - p->offset >= 3 && p->text[p->offset] == '\r' && p->text[p->offset + 1] == '\n' &&
	    is_blank(p->text[p->offset + 2]);
}

/*
 * A comment or quoted string, from the octet after the opening one to behind the closing one; only comments nest. False where it never
 * closes. bad: it holds an octet that neither may hold; control: any other control character.
 */
static bool
enclosed(struct parser *p, char open, char close, bool *bad, bool *control)
{
	size_t depth = 1;
	char c;

	while (p->offset < p->len) {
		if (at_fold(p)) {
			p->offset += 2;
			continue;
		}
		c = p->text[p->offset++];
		if (c == close && --depth == 0)
			return true;
		if (c == open && open != close)
			depth++;
		if (c == '\\') {
			if (p->offset == p->len)
				return false;
			c = p->text[p->offset++];
		}
		if (c == '\0' || c == '\r' || c == '\n')
			*bad = true;
		else if (is_control(c))
			*control = true;
	}
	return false;
}

static const char *
lex_comment(struct parser *p)
{
	struct address_list *l = p->list;
	size_t start = p->offset++;
	bool bad = false, control = false;

	if (!enclosed(p, '(', ')', &bad, &control))
		return "unbalanced parenthesis";
	l->comment = one_more(l->comment, l->comments, sizeof(*l->comment));
	l->comment[l->comments++] = (struct span){ start, p->offset };
	if (bad)
		push(p, BAD, start)->reason = "control character";
	return NULL;
}

static const char *
lex_quoted(struct parser *p)
{
	struct token *t;
	size_t start = p->offset++;
	bool bad = false, control = false;

	if (!enclosed(p, '"', '"', &bad, &control))
		return "unbalanced quote";
	t = push(p, bad ? BAD : QUOTED, start);
	t->control = control;
	t->reason = "control character";
	return NULL;
}

/* Quoted pairs in domain literals are obsolete, and no address of today has one: refused. */
static const char *
lex_literal(struct parser *p)
{
	struct token *t;
	size_t start = p->offset++;
	char c;
	bool bad = false;

	for (;;) {
		if (p->offset == p->len)
			return "unbalanced square bracket";
		if (at_fold(p)) {
			p->offset += 2;
			continue;
		}
		c = p->text[p->offset++];
		if (c == ']')
			break;
		if (c == '[' || c == '\\' || (is_control(c) && c != '\t'))
			bad = true;
	}
	t = push(p, bad ? BAD : LITERAL, start);
	t->reason = "malformed domain literal";
	return NULL;
}

static void
lex_single(struct parser *p)
{
	static const char chars[] = ".@,;:<>";
	static const enum kind kinds[] = { DOT, AT, COMMA, SEMICOLON, COLON, OPEN, CLOSE };
	char c = p->text[p->offset++];
	const char *s = c == '\0' ? NULL : strchr(chars, c);

	if (s != NULL)
		(void)push(p, kinds[s - chars], p->offset - 1);
	else if (is_control(c))
		push(p, BAD, p->offset - 1)->reason = "control character";
	else
		push(p, BAD, p->offset - 1)->reason = c == '\\' ? "backslash outside quotes" : "unbalanced parenthesis or bracket";
}

/* All of the text into tokens. What is wrong if something opens that never closes, else NULL. */
static const char *
lex(struct parser *p)
{
	const char *reason = NULL;
	size_t start;
	char c;

	while (reason == NULL && p->offset < p->len) {
		c = p->text[p->offset];
		if (is_blank(c))
			p->offset++;
		else if (at_fold(p))
			p->offset += 2;
		else if (c == '(')
			reason = lex_comment(p);
		else if (c == '"')
			reason = lex_quoted(p);
		else if (c == '[')
			reason = lex_literal(p);
		else if (is_atext(c)) {
			for (start = p->offset; p->offset < p->len && is_atext(p->text[p->offset]); p->offset++)
				;
			(void)push(p, ATOM, start);
		} else
			lex_single(p);
	}
	(void)push(p, END, p->offset);
	return reason;
}

/* An angle bracket without a partner is BAD; tokens between partners are inside; the last semicolon outside is found. */
static void
match_angles(struct parser *p)
{
	size_t open = SIZE_MAX;

	for (size_t i = 0; i < p->count; i++) {
		struct token *t = &p->token[i];

		if (t->kind == CLOSE && open == SIZE_MAX) {
			t->kind = BAD;
			t->reason = "unbalanced angle bracket";
		} else if (t->kind == CLOSE) {
			for (size_t k = open + 1; k < i; k++)
				p->token[k].inside = true;
			open = SIZE_MAX;
		} else if (t->kind == OPEN || t->kind == END) {
			if (open != SIZE_MAX) {
				p->token[open].kind = BAD;
				p->token[open].reason = "angle bracket not closed";
			}
			open = i;
		}
	}
	for (size_t i = 0; i < p->count; i++)
		if (p->token[i].kind == SEMICOLON && !p->token[i].inside)
			p->last_semicolon = i;
}

/* Parser */

static const struct token *
peek(const struct parser *p)
{
	return &p->token[p->pos];
}

static bool
take(struct parser *p, enum kind kind)
{
	if (peek(p)->kind != kind)
		return false;
	p->pos++;
	return true;
}

/* Where an element ends: a comma at top level, in a group also its semicolon, and the end. */
static bool
at_separator(const struct parser *p)
{
	const struct token *t = peek(p);

	return t->kind == END || (!t->inside && (t->kind == COMMA || (t->kind == SEMICOLON && p->in_group)));
}

/* Why an element cannot go on with the next token. domain: an address is complete before it. */
static const char *
unexpected(const struct parser *p, bool domain)
{
	switch (peek(p)->kind) {
	case BAD:
		return peek(p)->reason;
	case SEMICOLON:
		return "semicolon outside a group";
	case COLON:
		return "colon outside a group";
	case DOT:
		return "misplaced dot";
	case LITERAL:
		return "misplaced domain literal";
	case AT:
		return domain ? "more than one @" : "no local part";
	case COMMA:
	case CLOSE:
	case END:
		return "no local part";
	default:
		return domain ? "two addresses without a comma" : "several words but no address";
	}
}

/* The octets of a quoted string, without quotes, backslashes and folds. */
static void
unquote(struct buf *out, const char *s, size_t len)
{
	for (size_t i = 1; i + 1 < len; i++) {
		if (s[i] == '\r' || s[i] == '\n')
			continue;
		if (s[i] == '\\')
			i++;
		buf_putc(out, s[i]);
	}
}

/* local-part or obs-local-part: words with dots between them, comments and blanks anywhere. */
static const char *
local_part(struct parser *p, struct buf *out)
{
	for (;;) {
		const struct token *t = peek(p);

		if (t->kind == QUOTED && t->control)
			return "control character";
		if (t->kind == QUOTED)
			unquote(out, p->text + t->at.start, t->at.end - t->at.start);
		else if (t->kind == ATOM)
			buf_add(out, p->text + t->at.start, t->at.end - t->at.start);
		else
			return out->len > 0 && t->kind != BAD ? "misplaced dot" : unexpected(p, false);
		p->pos++;
		if (!take(p, DOT))
			return NULL;
		buf_putc(out, '.');
	}
}

/* domain or obs-domain, a dot at its end dropped. out may be NULL: a route, which nobody wants. */
static const char *
domain_part(struct parser *p, struct buf *out)
{
	struct buf unwanted = {0}, *to = out != NULL ? out : &unwanted;
	const struct token *t = peek(p);
	const char *reason = NULL;

	if (t->kind == LITERAL) {
		for (size_t i = t->at.start; i < t->at.end; i++)
			if (strchr(" \t\r\n", p->text[i]) == NULL)
				buf_putc(to, p->text[i]);
		p->pos++;
	} else if (t->kind != ATOM)
		reason = t->kind == BAD ? t->reason : t->kind == DOT ? "misplaced dot" : "no domain";
	while (t->kind == ATOM && peek(p)->kind == ATOM) {
		t = peek(p);
		if (to->len > 0)
			buf_putc(to, '.');
		buf_add(to, p->text + t->at.start, t->at.end - t->at.start);
		p->pos++;
		if (!take(p, DOT))
			break;
	}
	buf_free(&unwanted);
	return reason;
}

/* addr-spec, or a bare local part; it becomes one mailbox of the list. */
static const char *
addr_spec(struct parser *p)
{
	struct address_list *l = p->list;
	struct mailbox m = { .spec.start = peek(p)->at.start };
	struct buf local = {0}, domain = {0};
	const char *reason = local_part(p, &local);
	bool has_domain = reason == NULL && take(p, AT);

	if (has_domain)
		reason = domain_part(p, &domain);
	if (reason != NULL) {
		buf_free(&local);
		buf_free(&domain);
		return reason;
	}
	m.spec.end = p->token[p->pos - 1].at.end;
	m.local = mem_ndup(buf_str(&local), local.len);
	if (has_domain)
		m.domain = mem_ndup(domain.data, domain.len);
	buf_free(&local);
	buf_free(&domain);
	l->mailbox = one_more(l->mailbox, l->count, sizeof(*l->mailbox));
	l->mailbox[l->count++] = m;
	return NULL;
}

static void
drop_mailboxes(struct address_list *l, size_t keep)
{
	while (l->count > keep) {
		l->count--;
		free(l->mailbox[l->count].local);
		free(l->mailbox[l->count].domain);
	}
}

/* obs-route, dropped. One domain only where commas separate addresses, that is, outside angle brackets. */
static const char *
route(struct parser *p, bool commas)
{
	const char *reason;

	while (take(p, AT)) {
		if ((reason = domain_part(p, NULL)) != NULL)
			return reason;
		while (commas && take(p, COMMA))
			;
	}
	return take(p, COLON) ? NULL : "no local part";
}

/* angle-addr, the name before it in tokens [first, pos). Several addresses may stand in it, as bcron writes them. */
static const char *
angle(struct parser *p, size_t first)
{
	struct address_list *l = p->list;
	struct span name = { 0, 0 };
	size_t before = l->count;
	const char *reason;

	if (p->pos > first)
		name = (struct span){ p->token[first].at.start, p->token[p->pos - 1].at.end };
	if (p->pos > first && p->token[first].kind == DOT)
		return "misplaced dot";
	p->pos++;
	while (take(p, COMMA))
		;
	if (peek(p)->kind == AT && (reason = route(p, true)) != NULL)
		return reason;
	while (!take(p, CLOSE)) {
		if (take(p, COMMA))
			continue;
		if ((reason = addr_spec(p)) != NULL)
			return reason;
		l->mailbox[l->count - 1].name = name;
		if (peek(p)->kind != COMMA && peek(p)->kind != CLOSE)
			return unexpected(p, l->mailbox[l->count - 1].domain != NULL);
	}
	return l->count == before ? "null sender" : NULL;
}

/* "a@x <a@x>", an address as its own unquoted name: no RFC has it, but there is nothing to guess where both are the same. */
static const char *
doubled(struct parser *p)
{
	struct address_list *l = p->list;
	size_t n = l->count;
	const struct mailbox *a, *b;
	const char *reason = angle(p, p->pos);

	if (reason != NULL)
		return reason;
	a = &l->mailbox[n - 1];
	b = &l->mailbox[n];
	if (l->count != n + 1 || a->domain == NULL || b->domain == NULL || strcmp(a->local, b->local) != 0 ||
	    strcasecmp(a->domain, b->domain) != 0)
		return "two addresses without a comma";
	l->mailbox[n - 1].spec = b->spec;
	drop_mailboxes(l, n);
	return NULL;
}

/* "name:" where a semicolon follows somewhere; the members are elements like others. */
static const char *
begin_group(struct parser *p, size_t first)
{
	if (p->in_group)
		return "group within a group";
	if (p->pos == first || p->token[first].kind == DOT)
		return "group without a name";
	if (p->last_semicolon < p->pos)
		return "group without a semicolon";
	p->begin = peek(p)->at.end;
	p->pos++;
	p->in_group = true;
	return NULL;
}

static const char *
address(struct parser *p)
{
	size_t first = p->pos;
	const char *reason = NULL;

	while (peek(p)->kind == ATOM || peek(p)->kind == QUOTED || peek(p)->kind == DOT)
		p->pos++;
	if (peek(p)->kind == COLON)
		return begin_group(p, first);
	if (peek(p)->kind == OPEN)
		return angle(p, first);
	p->pos = first;
	if (peek(p)->kind == AT)
		reason = route(p, false);
	if (reason == NULL)
		reason = addr_spec(p);
	if (reason == NULL && peek(p)->kind == OPEN)
		reason = doubled(p);
	return reason;
}

/* What lies between two separators, without the blanks around it. */
static struct span
element_span(const struct parser *p)
{
	struct span s = { p->begin, peek(p)->at.start };

	while (s.start < s.end && strchr(" \t\r\n", p->text[s.start]) != NULL && p->text[s.start] != '\0')
		s.start++;
	while (s.end > s.start && strchr(" \t\r\n", p->text[s.end - 1]) != NULL && p->text[s.end - 1] != '\0')
		s.end--;
	return s;
}

static void
add_error(struct address_list *l, struct span element, const char *reason)
{
	l->error = one_more(l->error, l->errors, sizeof(*l->error));
	l->error[l->errors++] = (struct address_error){ element, reason };
}

/* One element, good or bad, up to its separator; or the beginning of a group. */
static void
element(struct parser *p)
{
	struct address_list *l = p->list;
	size_t before = l->count;
	bool was_in_group = p->in_group;
	const char *reason = p->after_group ? "no comma after a group" : address(p);

	if (p->in_group != was_in_group)
		return;
	if (reason == NULL && !at_separator(p))
		reason = unexpected(p, l->mailbox[l->count - 1].domain != NULL);
	if (reason != NULL) {
		drop_mailboxes(l, before);
		while (!at_separator(p))
			p->pos++;
		add_error(l, element_span(p), reason);
	}
	for (size_t i = before; i < l->count; i++)
		l->mailbox[i].element = element_span(p);
}

static void
parse_list(struct parser *p)
{
	enum kind kind;

	while ((kind = peek(p)->kind) != END) {
		if (kind != COMMA && !(kind == SEMICOLON && p->in_group)) {
			element(p);
			continue;
		}
		p->after_group = kind == SEMICOLON;
		if (kind == SEMICOLON)
			p->in_group = false;
		p->begin = peek(p)->at.end;
		p->pos++;
	}
}

void
address_parse(struct address_list *list, const char *text, size_t len)
{
	struct parser p = { .text = text, .len = len, .list = list };
	const char *reason;

	memset(list, 0, sizeof(*list));
	if ((reason = lex(&p)) != NULL)
		add_error(list, (struct span){ 0, len }, reason);
	else {
		match_angles(&p);
		parse_list(&p);
	}
	free(p.token);
}

void
address_free(struct address_list *list)
{
	drop_mailboxes(list, 0);
	free(list->mailbox);
	free(list->error);
	free(list->comment);
	memset(list, 0, sizeof(*list));
}
