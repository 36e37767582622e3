# Makes manual pages of the public headers: one for each function, one for each header.
#
#   awk -v out=FOLDER -v version=0.1.0 -v date=2026-01-31 -f docs/man.awk include/bide.h include/bide/*.h
#
# POSIX awk. Writes FOLDER/<function>.3 and FOLDER/bide_<header>.h.3. A function that is documented by another
# one ("As bide_read().", "Reads it.") shares its page, and its own is a link there.
#
# What it knows of the headers: a comment that begins with two stars documents what follows it; a group begins
# with @name and ends with @}; of Doxygen's commands those that the headers use. Anything else is an error.
#
# SPDX-License-Identifier: MIT OR Apache-2.0

function fail(message) {
    print "man.awk: " FILENAME ":" FNR ": " message | "cat >&2"
    failed = 1
    exit 1
}

function trimmed(text) {
    gsub(/^[ \t\n]+|[ \t\n]+$/, "", text)
    return text
}

# --- reading ------------------------------------------------------------------------------------------------

FNR == 1 {
    header = FILENAME
    sub(/^.*include\//, "", header)
    headers[++header_count] = header
    inside = ""; doc = ""; group = 0
}

# A comment of the kind that documents.
inside == "" && /^ *\/\*\*/ && !/\/\*\*</ {
    inside = "comment"
    comment = ""
}

inside == "comment" {
    line = $0
    ends = sub(/ *\*\/ *$/, "", line)
    sub(/^ *\/\*\* ?/, "", line) || sub(/^ *\* ?/, "", line) || sub(/^ *\*$/, "", line)
    comment = comment line "\n"
    if (ends) {
        inside = ""
        take_comment(comment)
    }
    next
}

inside == "" && /^(BIDE_API|static inline) / {
    inside = /^static/ ? "inline" : "function"
    code = ""
}

inside == "" && doc != "" && /^(typedef|struct|enum|#define)/ {
    inside = /^#define/ ? "macro" : (/[{]/ ? "block" : "statement")
    code = ""
}

inside == "macros" && /@[}]/ { inside = ""; add("type", code); next }
inside != "" && inside != "macros" { code = code $0 "\n" }
inside == "macros" { code = code $0 "\n"; next }

(inside == "function" || inside == "statement") && /;/ { done() }
inside == "inline" && /\)$/ { done() }
inside == "block" && /[}].*;/ && !/^ / { done() }
inside == "macro" && !/\\$/ { done() }

function done(    kind) {
    kind = inside == "function" || inside == "inline" ? "function" : "type"
    inside = ""
    add(kind, code)
}

function take_comment(text) {
    if (text ~ /^ *@[}]/) { group = 0; return }
    if (text ~ /^ *@[{]/) return
    if (text ~ /@file /) {
        sub(/@file [^\n]*\n/, "", text)
        sub(/SPDX-License-Identifier[^\n]*\n/, "", text)
        header_doc[header] = text
    } else if (text ~ /@name /) {
        sub(/^ *@name /, "", text)
        group = ++group_count
        group_title[group] = substr(text, 1, index(text, "\n") - 1)
        group_doc[group] = trimmed(substr(text, index(text, "\n") + 1))
    } else if (sub(/ *@[{] *\n/, "\n", text)) {
        doc = text
        inside = "macros"
        code = ""
    } else {
        doc = text
    }
}

function add(kind, text,    name) {
    if (doc == "") fail("not documented: " text)
    item_kind[++item_count] = kind
    item_header[item_count] = header
    item_doc[item_count] = doc
    item_group[item_count] = group
    doc = ""
    if (kind == "function") {
        gsub(/[ \n]+/, " ", text)
        sub(/^(BIDE_API|static inline) /, "", text)
        sub(/;? *$/, "", text)
        name = substr(text, 1, index(text, "(") - 1)
        sub(/.*[ *]/, "", name)
        if (name in item_of) fail("twice: " name)
        item_of[name] = item_count
        item_name[item_count] = name
        function_count++
    }
    item_code[item_count] = text
}

# --- text ---------------------------------------------------------------------------------------------------

# Literal text, as in code.
function literal(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    gsub(/…/, "...", text)
    gsub(/\n\./, "\n\\\\\\&.", text)
    gsub(/\n'/, "\n\\\\\\&'", text)
    return text
}

# Names and numbers of pages in bold, and noted for SEE ALSO.
function with_names(text,    result, word) {
    result = ""
    while (match(text, /[a-z_][a-z0-9_.]*\([1-8]?\)/)) {
        word = substr(text, RSTART, RLENGTH)
        result = result substr(text, 1, RSTART - 1)
        text = substr(text, RSTART + RLENGTH)
        if (word ~ /\(\)$/) {
            sub(/\(\)$/, "", word)
            if (word in item_of) mentioned[word "(3)"] = 1
            result = result "\\fB" word "\\fR()"
        } else {
            mentioned[word] = 1
            result = result "\\fB" substr(word, 1, index(word, "(") - 1) "\\fR" substr(word, index(word, "("))
        }
    }
    return result text
}

# Emphasis; a star that stands alone is one.
function with_stars(text,    result, word, before) {
    result = ""
    while (match(text, /\*\*[^*]+\*\*/)) {
        word = substr(text, RSTART + 2, RLENGTH - 4)
        before = substr(text, 1, RSTART - 1)
        text = substr(text, RSTART + RLENGTH)
        result = result with_one_star(before) "\\fB" word "\\fR"
    }
    return result with_one_star(text)
}

function with_one_star(text,    result, word, before) {
    result = ""
    while (match(text, /\*[A-Za-z][^* ]*( [^* ]+)*\*/)) {
        word = substr(text, RSTART + 1, RLENGTH - 2)
        before = substr(text, 1, RSTART - 1)
        text = substr(text, RSTART + RLENGTH)
        result = result with_names(before) "\\fI" word "\\fR"
    }
    return result with_names(text)
}

# One paragraph: `code`, emphasis, names; wrapped, with each sentence on a new line.
function paragraph(text,    parts, count, i, result, words, line, word) {
    gsub(/[ \n]+/, " ", text)
    gsub(/\\/, "\\e", text)
    gsub(/…/, "...", text)
    count = split(trimmed(text), parts, "`")
    result = ""
    for (i = 1; i <= count; i++)
        result = result (i % 2 ? with_stars(parts[i]) : "\\fB" literal(parts[i]) "\\fR")
    count = split(result, words, " ")
    result = ""; line = ""
    for (i = 1; i <= count; i++) {
        word = words[i]
        if (line != "" && length(line) + length(word) > 75) {
            result = result line "\n"
            line = ""
        }
        if (line == "" && word ~ /^[.']/) word = "\\&" word
        line = line == "" ? word : line " " word
        if (word ~ /[a-z0-9)R][.?!]$/ && word !~ /\.\.\.$/) {
            result = result line "\n"
            line = ""
        }
    }
    return result (line == "" ? "" : line "\n")
}

# What render() leaves behind: the text of a comment by sections.
function render(text, inline_code,    lines, count, i, line, state, block, code, para) {
    body = ""; arguments_ = ""; returns = ""; examples = ""
    gsub(/[ \n]@return /, "\n@return ", text)
    gsub(/[ \n]@param/, "\n@param", text)
    count = split(text "\n", lines, "\n")
    section = "body"; block = ""; para = 0
    for (i = 1; i <= count; i++) {
        line = lines[i]
        sub(/^ *@brief /, "", line)
        if (line ~ /^ *@code/) {
            flush(block); block = ""
            code = ""
            while (++i <= count && lines[i] !~ /@endcode/)
                code = code lines[i] "\n"
            if (inline_code) body = body ".PP\n.in +4n\n" verbatim(code) ".in\n"
            else examples = examples (examples == "" ? "" : ".PP\n") ".in +4n\n" verbatim(code) ".in\n"
        } else if (line ~ /^\|/) {
            flush(block); block = ""
            code = ""
            for (; i <= count && lines[i] ~ /^\|/; i++)
                if (lines[i] !~ /^\|-/) code = code lines[i] "\n"
            i--
            gsub(/\|\n/, "\n", code)
            gsub(/(^|\n)\| /, "&", code)
            gsub(/\n\| /, "\n", code)
            sub(/^\| /, "", code)
            gsub(/ +\n/, "\n", code)
            body = body ".PP\n" verbatim(code)
        } else if (line ~ /^@(param|return)/) {
            flush(block)
            section = line ~ /^@param/ ? "param" : "return"
            block = line
        } else if (line ~ /^ *$/) {
            flush(block); block = ""
            if (section != "return" || lines[i + 1] !~ /^ *- /) section = "body"
        } else if (line ~ /^ *- /) {
            flush(block)
            block = line
        } else if (line ~ /@[a-z]+ / && line !~ /@name/) {
            failed = 1
            print "man.awk: unknown command: " line | "cat >&2"
        } else {
            block = block (block == "" ? "" : "\n") line
        }
    }
    flush(block)
}

function flush(block,    name, text) {
    if (trimmed(block) == "") return
    if (block ~ /^@param/) {
        sub(/^@param(\[out\])? */, "", block)
        name = block
        sub(/[ \n].*/, "", name)
        sub(/^[^ \n]+[ \n]+/, "", block)
        arguments_ = arguments_ ".TP\n.I " name "\n" paragraph(block)
        return
    }
    if (block ~ /^ *- /) {
        sub(/^ *- /, "", block)
        text = ".IP \\(bu 3\n" paragraph(block)
    } else {
        sub(/^@return */, "", block)
        text = ".PP\n" paragraph(block)
    }
    if (section == "return") returns = returns text
    else if (section == "param" && block !~ /^ *- /) arguments_ = arguments_ text
    else body = body text
}

function verbatim(code) {
    sub(/\n+$/, "\n", code)
    sub(/^\n+/, "", code)
    code = literal("\n" code)
    return ".EX\n" substr(code, 2) ".EE\n"
}

# --- code ---------------------------------------------------------------------------------------------------

# A prototype with its arguments' names in italics.
function prototype(text,    open, parts, count, i, result, part) {
    open = index(text, "(")
    result = "\\fB" literal(substr(text, 1, open))
    count = split(substr(text, open + 1, length(text) - open - 1), parts, ",")
    for (i = 1; i <= count; i++) {
        part = parts[i]
        if (i > 1) result = result ","
        if (part != "void" && match(part, /[a-z_0-9]+(\[[0-9]*\])?$/))
            part = substr(part, 1, RSTART - 1) "\\fI" substr(part, RSTART) "\\fB"
        result = result part
    }
    return result ");\\fR"
}

# A declaration without its private fields, whose names end in an underscore.
function declaration(code,    lines, count, i, result, block, hidden) {
    count = split(code, lines, "\n")
    result = ""; hidden = 0
    for (i = 1; i <= count; i++) {
        if (lines[i] ~ /^    (union|struct) [{]$/) {
            block = lines[i]
            while (lines[i] !~ /^    [}]/)
                block = block "\n" lines[++i]
            if (lines[i] ~ /_;/) { hidden = 1; continue }
            result = result block "\n"
        } else if (lines[i] ~ /^    [^\/]*[a-z0-9]_(\[[^]]*\])?;/ || lines[i] ~ /^    .*\(\*[a-z]+_\)/) {
            hidden = 1
        } else {
            if (hidden && lines[i] ~ /^[}]/) result = result "    /* private fields */\n"
            result = result lines[i] "\n"
        }
    }
    gsub(/\/\*\*<?/, "/*", result)
    return trimmed(result) "\n"
}

# --- pages --------------------------------------------------------------------------------------------------

function header_page(header,    name) {
    name = header
    gsub(/\//, "_", name)
    return name
}

# The first sentence, or its first part unless it is wanted whole, for the line NAME.
function summary(text, whole) {
    text = trimmed(text)
    sub(/^@brief /, "", text)
    gsub(/[ \n]+/, " ", text)
    sub(/ *@(return|param|code).*/, "", text)
    if (whole) sub(/\. .*/, "", text)
    else if (text ~ /^`/) sub(/[.;] .*/, "", text)
    else sub(/[.;:] .*/, "", text)
    sub(/ \([^)]*$/, "", text)
    gsub(/`/, "", text)
    gsub(/…/, "...", text)
    sub(/[.:]$/, "", text)
    if (text ~ /^[A-Z][a-z ]/ && text !~ /^Unix/) text = tolower(substr(text, 1, 1)) substr(text, 2)
    return text
}

function title(name) {
    return ".TH " name " 3 \"" date "\" \"Bide " version "\" \"Bide\"\n.ad l\n"
}

function put(page, text) {
    printf "%s", text >(out "/" page ".3")
    close(out "/" page ".3")
}

function link(page, name) {
    if (system("ln -s " page ".3 \"" out "/" name ".3\"") != 0) failed = 1
}

# Which function's page a function is on: its own, that of the one it refers to, or that of the one before.
function decide_pages(    i, name, text, other, before) {
    before = ""
    for (i = 1; i <= item_count; i++) {
        if (item_kind[i] != "function") continue
        name = item_name[i]
        text = trimmed(item_doc[i])
        sub(/^@brief /, "", text)
        leads_to[name] = name
        if (text ~ /^As bide_[a-z0-9_]+\(\)/) {
            other = substr(text, 4, index(text, "(") - 4)
            if (other in item_of && item_header[item_of[other]] == item_header[i]) leads_to[name] = other
        } else if (before != "" && item_header[i] == item_header[item_of[before]] &&
                   text ~ /^Reads (it|whether)|(^|\. )The same/) {
            leads_to[name] = before
        }
        before = name
    }
    for (name in leads_to) {
        for (other = name; leads_to[other] != other;)
            other = leads_to[other]
        page_of[name] = other
    }
}

function see_also(names, first,    list, count, i, j, word, text) {
    count = 0
    for (word in mentioned)
        if (index(" " names " ", " " word " ") == 0) {
            for (i = count++; i > 0 && list[i] > word; i--)
                list[i + 1] = list[i]
            list[i + 1] = word
        }
    text = ".SH SEE ALSO\n.BR " first " (3)"
    for (i = 1; i <= count; i++) {
        j = index(list[i], "(")
        text = text ",\n.BR " substr(list[i], 1, j - 1) " " substr(list[i], j)
    }
    return text "\n"
}

function function_page(main,    i, n, name, names, list, text, says, gives, shows, groups, own, g) {
    for (name in mentioned) delete mentioned[name]
    names = ""; list = ""; says = ""; gives = ""; shows = ""; groups = ""; own = ""
    text = ""
    for (n = 0; n <= item_count; n++) {
        i = n == 0 ? item_of[main] : n
        name = item_name[i]
        if (n == item_of[main] || item_kind[i] != "function" || page_of[name] != main) continue
        list = list (list == "" ? "" : ", ") name
        own = own " " name "(3)"
        text = text prototype(item_code[i]) "\n"
        render(item_doc[i], 0)
        if (name != main) {
            sub(/^\.PP\n/, "", body)
            says = says ".SS " name "()\n" body
            if (returns != "") sub(/^\.PP\n/, ".PP\n\\fB" name "\\fR(): ", returns)
            link(main, name)
        } else {
            sub(/^\.PP\n/, "", body)
            says = says body
        }
        if (arguments_ != "") says = says arguments_
        gives = gives returns
        shows = shows (shows == "" || examples == "" ? "" : ".PP\n") examples
        g = item_group[i]
        if (g && group_doc[g] != "" && index(groups, "[" g "]") == 0) groups = groups "[" g "]"
    }
    sub(/^\.PP\n/, "", gives)
    text = title(main) ".SH NAME\n" list " \\- " literal(summary(item_doc[item_of[main]], 0)) "\n" \
        ".SH LIBRARY\nBide\n.RI ( libbide ,\n.IR \\-lbide )\n" \
        ".SH SYNOPSIS\n.nf\n\\fB#include <" item_header[item_of[main]] ">\\fR\n.sp\n" text ".fi\n" \
        ".SH DESCRIPTION\n" says
    for (g = 1; g <= group_count; g++)
        if (index(groups, "[" g "]")) {
            render(group_doc[g], 1)
            sub(/^\.PP\n/, "", body)
            text = text ".SS " group_title[g] "\n" body
            gives = gives returns
        }
    if (gives != "") text = text ".SH RETURN VALUE\n" gives
    if (shows != "") text = text ".SH EXAMPLES\n" shows
    put(main, text see_also(own, header_page(item_header[item_of[main]])))
    page_count++
}

function write_header_page(header,    i, name, text, types) {
    for (name in mentioned) delete mentioned[name]
    name = header_page(header)
    render(header_doc[header], 1)
    sub(/^\.PP\n/, "", body)
    text = title(name) ".SH NAME\n" name " \\- " literal(summary(header_doc[header], 1)) "\n" \
        ".SH LIBRARY\nBide\n.RI ( libbide ,\n.IR \\-lbide )\n" \
        ".SH SYNOPSIS\n.nf\n\\fB#include <" header ">\\fR\n.fi\n.SH DESCRIPTION\n" body
    types = ""
    for (i = 1; i <= item_count; i++)
        if (item_header[i] == header && item_kind[i] == "type") {
            render(item_doc[i], 1)
            types = types body ".PP\n.in +2n\n" verbatim(declaration(item_code[i])) ".in\n"
        }
    sub(/^\.PP\n/, "", types)
    if (types != "") text = text ".SH TYPES AND CONSTANTS\n" types
    types = ""
    for (i = 1; i <= item_count; i++)
        if (item_header[i] == header && item_kind[i] == "function")
            types = types ".TP\n.BR " item_name[i] " (3)\n" paragraph(summary(item_doc[i], 0))
    if (types != "") text = text ".SH FUNCTIONS\n" types
    if (header == "bide.h") {
        text = text ".SH HEADERS\n"
        for (i = 1; i <= header_count; i++)
            if (headers[i] != header)
                text = text ".TP\n.BR " header_page(headers[i]) " (3)\n" \
                    paragraph(summary(header_doc[headers[i]], 1))
        link(name, "bide")
    }
    for (i in mentioned)
        if (i ~ /^bide_/) delete mentioned[i]
    put(name, text see_also("", header == "bide.h" ? "bide_async.h" : "bide.h"))
}

END {
    if (failed) exit 1
    decide_pages()
    for (i = 1; i <= item_count; i++)
        if (item_kind[i] == "function" && page_of[item_name[i]] == item_name[i]) function_page(item_name[i])
    for (i = 1; i <= header_count; i++)
        write_header_page(headers[i])
    if (failed) exit 1
    print function_count " functions on " page_count " pages, " header_count " headers"
}
