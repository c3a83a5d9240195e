create table t(id integer primary key, name text, value real);
create index by_name on t(name);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 1500)
insert into t select i, 'name' || (i * 7919 % 211), i * 1.5 from n;
create view v as select name, count(*) c, avg(value) a from t group by name;
select * from v order by a desc limit 20;
select a.name, b.id from t a join t b on a.name = b.name and a.id < b.id order by 2, 1 limit 30;
create trigger g after update on t begin insert into log values(new.id, old.value); end;
create table log(id, old);
update t set value = value + 1 where id % 13 = 0;
select count(*), group_concat(distinct substr(name, 1, 5)) from t where name like '%1%';
with recursive f(a, b) as (select 0, 1 union all select b, a + b from f where b < 100000)
select printf('%08d|%s', a, hex(b)) from f;
explain query plan select * from t where name in (select name from t where id < 5);
select json_extract('{"a": [1, 2, {"b": 3}]}', '$.a[2].b'), round(3.14159, 2), date(0, 'unixepoch');
delete from t where id in (select id from log); vacuum; pragma integrity_check;
