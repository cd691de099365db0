"""Years as text and HTML, with calendar and datetime."""

import calendar
import datetime

import pyperf


def work():
    years = [calendar.TextCalendar(firstweekday=n % 7).formatyear(2000 + n) for n in range(3)]
    page = calendar.HTMLCalendar().formatyearpage(2024)
    day = datetime.date(2024, 2, 29)
    days = [(day + datetime.timedelta(days=17 * n)).isocalendar() for n in range(50)]
    return years[-1][-300:], len(page), [tuple(each) for each in days[-3:]]


pyperf.Runner().bench_func("calendar_years", work)
