"""The pages behind a mail's links: server-rendered, without scripts, in the reader's language and the shop's look.

A page is a pure function of what it shows. What all pages share stands in one place each: `layout` is the document and
the headers that it is answered with, `forms` its fields, what is wrong with them, and the reading of what was posted,
`texts` every word in every language, `masks` how much of an address may be shown, `settings` what publish leaves for
pages. A new page is a module with a function that returns a `layout.Page`; it joins tests/content/pagekit.py, and so is
seen in all languages and in a browser.
"""
