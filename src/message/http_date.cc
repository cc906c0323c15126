#include "message/http_date.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace cutwater::message {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> kLongDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr int64_t kFirstWritable = -62167219200;  // 0000-01-01T00:00:00Z
constexpr int64_t kLastWritable = 253402300799;   // 9999-12-31T23:59:59Z

void append_digits(std::string& to, unsigned number, unsigned count) {
  char digits[4];
  for (unsigned at = count; at > 0; --at, number /= 10) digits[at - 1] = static_cast<char>('0' + number % 10);
  to.append(digits, count);
}

// A cursor over a fixed layout; once something did not fit it stays failed.
class DateReader {
 public:
  explicit DateReader(std::string_view text) : rest_(text) {}

  void literal(std::string_view expected) {
    if (rest_.substr(0, expected.size()) != expected) failed_ = true;
    rest_.remove_prefix(std::min(expected.size(), rest_.size()));
  }
  unsigned digits(size_t count) {
    unsigned number = 0;
    for (size_t at = 0; at < count; ++at) {
      if (at >= rest_.size() || rest_[at] < '0' || rest_[at] > '9') {
        failed_ = true;
        return 0;
      }
      number = number * 10 + static_cast<unsigned>(rest_[at] - '0');
    }
    rest_.remove_prefix(count);
    return number;
  }
  // The index of the name the rest begins with.
  template <size_t Count>
  unsigned one_of(const std::array<std::string_view, Count>& names) {
    for (unsigned index = 0; index < Count; ++index) {
      if (rest_.substr(0, names[index].size()) != names[index]) continue;
      rest_.remove_prefix(names[index].size());
      return index;
    }
    failed_ = true;
    return 0;
  }
  bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }
  bool complete() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

struct Moment {
  int year = 0;
  unsigned month = 0;  // 0 = January
  unsigned day = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
};

void read_time(DateReader& reader, Moment& moment) {
  moment.hour = reader.digits(2);
  reader.literal(":");
  moment.minute = reader.digits(2);
  reader.literal(":");
  moment.second = reader.digits(2);
}

std::optional<int64_t> to_seconds(const Moment& moment) {
  year_month_day date(std::chrono::year(moment.year), std::chrono::month(moment.month + 1),
                      std::chrono::day(moment.day));
  // Second 60 is a leap second.
  if (!date.ok() || moment.hour > 23 || moment.minute > 59 || moment.second > 60) return std::nullopt;
  int64_t midnight = sys_seconds(sys_days(date)).time_since_epoch().count();
  return midnight + moment.hour * 3600 + moment.minute * 60 + moment.second;
}

bool read_fixdate(std::string_view text, Moment& moment) {
  DateReader reader(text);
  reader.one_of(kDays);
  reader.literal(", ");
  moment.day = reader.digits(2);
  reader.literal(" ");
  moment.month = reader.one_of(kMonths);
  reader.literal(" ");
  moment.year = static_cast<int>(reader.digits(4));
  reader.literal(" ");
  read_time(reader, moment);
  reader.literal(" GMT");
  return reader.complete();
}

bool read_rfc850(std::string_view text, int64_t now, Moment& moment) {
  DateReader reader(text);
  reader.one_of(kLongDays);
  reader.literal(", ");
  moment.day = reader.digits(2);
  reader.literal("-");
  moment.month = reader.one_of(kMonths);
  reader.literal("-");
  moment.year = static_cast<int>(reader.digits(2));
  reader.literal(" ");
  read_time(reader, moment);
  reader.literal(" GMT");
  if (!reader.complete()) return false;
  year_month_day today(std::chrono::floor<days>(sys_seconds(seconds(now))));
  int this_year = static_cast<int>(today.year());
  moment.year += this_year / 100 * 100;
  if (moment.year > this_year + 50) moment.year -= 100;
  return true;
}

bool read_asctime(std::string_view text, Moment& moment) {
  DateReader reader(text);
  reader.one_of(kDays);
  reader.literal(" ");
  moment.month = reader.one_of(kMonths);
  reader.literal(" ");
  bool one_digit = reader.next_is(' ');
  if (one_digit) reader.literal(" ");
  moment.day = reader.digits(one_digit ? 1 : 2);
  reader.literal(" ");
  read_time(reader, moment);
  reader.literal(" ");
  moment.year = static_cast<int>(reader.digits(4));
  return reader.complete();
}

}  // namespace

void append_http_date(std::string& to, int64_t unix_seconds) {
  sys_seconds moment(seconds(std::clamp(unix_seconds, kFirstWritable, kLastWritable)));
  sys_days midnight = std::chrono::floor<days>(moment);
  year_month_day date(midnight);
  auto of_day = static_cast<unsigned>((moment - midnight).count());
  to += kDays[std::chrono::weekday(midnight).c_encoding()];
  to += ", ";
  append_digits(to, static_cast<unsigned>(date.day()), 2);
  to += ' ';
  to += kMonths[static_cast<unsigned>(date.month()) - 1];
  to += ' ';
  append_digits(to, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  to += ' ';
  append_digits(to, of_day / 3600, 2);
  to += ':';
  append_digits(to, of_day / 60 % 60, 2);
  to += ':';
  append_digits(to, of_day % 60, 2);
  to += " GMT";
}

std::string format_http_date(int64_t unix_seconds) {
  std::string date;
  date.reserve(kHttpDateLength);
  append_http_date(date, unix_seconds);
  return date;
}

std::optional<int64_t> parse_http_date(std::string_view text, int64_t now) {
  Moment moment;
  if (read_fixdate(text, moment)) return to_seconds(moment);
  if (read_rfc850(text, now, moment)) return to_seconds(moment);
  if (read_asctime(text, moment)) return to_seconds(moment);
  return std::nullopt;
}

}  // namespace cutwater::message
