export default ({data}) => {
  const root = document.documentElement;
  root.lang = data.lang;
  root.dir = data.dir;
}
