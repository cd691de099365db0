"""A page is searched and changed, with Beautiful Soup over html.parser."""

import bs4
import pyperf

PAGE = (
    "<html><body>"
    + "".join(
        f"<div class='c{n % 3}'><a href='/{n}'>link {n}</a><p>text <b>{n}</b></p></div>" for n in range(60)
    )
    + "</body></html>"
)


def work():
    soup = bs4.BeautifulSoup(PAGE, "html.parser")
    for link in soup.select("div.c1 > a"):
        link.string = link["href"] + "!"
    for bold in soup.find_all("b"):
        bold.unwrap()
    return soup.prettify()[-500:], len(soup.find_all(string=True))


pyperf.Runner().bench_func("bs4_search", work)
